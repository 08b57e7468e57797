"""Prompts: what is asked, by whom, which split it stands in, and how far its sampling is."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from annotate.models.campaigns import Campaign
from annotate.models.people import Split

UNKNOWN_LANGUAGE = "und"
"""ISO 639's word for a language that nobody can tell."""


class Kind(models.TextChoices):
    """The paper's three kinds of labeler-written prompts (A.1), and dialogues; an imported one is plain."""

    PLAIN = "plain", _("A single request")
    FEW_SHOT = "few_shot", _("Few-shot: an instruction with examples")
    USE_CASE = "use_case", _("For a use case")
    DIALOGUE = "dialogue", _("Dialogue")


class PromptFlag(models.TextChoices):
    """What the paper's Table 7 says of a prompt, whoever says it: its author or who answers it."""

    AMBIGUOUS = "ambiguous", _("Ambiguous")
    SENSITIVE = "sensitive", _("Sensitive content")
    IDENTITY_DEPENDENT = "identity_dependent", _("Identity dependent")
    CLOSED_DOMAIN = "closed_domain", _("Closed domain")
    CONTINUATION = "continuation", _("Continuation style")
    OPINION = "opinion", _("Requests opinionated content")
    ADVICE = "advice", _("Requests advice")
    MORAL_JUDGMENT = "moral_judgment", _("Requests moral judgment")
    SAFETY_CONSTRAINTS = "safety_constraints", _("Contains explicit safety constraints")
    OTHER_CONSTRAINTS = "other_constraints", _("Contains other explicit constraints")
    INTENT_UNCLEAR = "intent_unclear", _("Intent unclear")


class Source(models.TextChoices):
    LABELER = "labeler", _("Labeler")
    CUSTOMER = "customer", _("Customer")


class Sampling(models.TextChoices):
    """How far a prompt's completions are. SAMPLED, FAILED, NONE and SET_ASIDE are ends."""

    QUEUED = "queued", _("Waiting for the sampler")
    RUNNING = "running", _("Being sampled")
    SAMPLED = "sampled", _("Sampled")
    """All its completions are there, from the sampler or from a file."""
    FAILED = "failed", _("Sampling failed")
    NONE = "none", _("No completions wanted")
    """A prompt that came from a file without completions, maybe with a demonstration, asks for none."""
    SET_ASIDE = "set_aside", _("Set aside")
    """A rule of intake refused it: it is neither sampled, answered nor exported until an admin lets it in."""


class Prompt(models.Model):
    """What the policy is asked: chat messages, the last one the user's."""

    # Without an index of its own: prompt_of_campaign begins with it, prompt_of_author with the author.
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="prompts", db_index=False)
    # The id it had in its file, so that the same file twice adds nothing.
    source_id = models.CharField(max_length=200, blank=True, default="")
    kind = models.CharField(max_length=20, choices=Kind.choices, default=Kind.PLAIN)
    use_case = models.CharField(max_length=200, blank=True, default="")
    messages = models.JSONField()
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="prompts",
        db_index=False,
    )
    source = models.CharField(max_length=20, choices=Source.choices, blank=True, default="")
    category = models.CharField(max_length=50, blank=True, default="")
    # What its author says of it; what labelers say stands with their answers.
    flags = ArrayField(models.CharField(max_length=30), default=list, blank=True)
    language = models.CharField(max_length=20, blank=True, default="")
    split = models.CharField(max_length=5, choices=Split.choices)
    # How it begins, by which duplicates are found (annotate/intake.py); None where nobody looks for them.
    prefix_hash = models.BigIntegerField(null=True, editable=False)
    sampling = models.CharField(max_length=10, choices=Sampling.choices, default=Sampling.QUEUED)
    sampling_reason = models.TextField(blank=True, default="")
    sampling_attempts = models.PositiveSmallIntegerField(default=0)
    sampling_lease_until = models.DateTimeField(null=True, blank=True)
    # How many slots rankings and demonstrations hold: among 40,000 prompts, counting them anew for each
    # hand-out took 270 ms, and finding the next by these takes 0.02 ms. Triggers keep both (migration 0004),
    # as no code that moves a slot can forget a trigger.
    rankings_held = models.PositiveSmallIntegerField(default=0, editable=False)
    demonstrations_held = models.PositiveSmallIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["source_id", "campaign"], condition=~Q(source_id=""), name="prompt_source_id_once"
            ),
            models.CheckConstraint(condition=Q(split__in=Split.values), name="prompt_split_known"),
            models.CheckConstraint(condition=Q(sampling__in=Sampling.values), name="prompt_sampling_known"),
            models.CheckConstraint(
                condition=Q(flags__contained_by=PromptFlag.values), name="prompt_flags_known"
            ),
            models.CheckConstraint(
                condition=Q(sampling="running") | Q(sampling_lease_until=None),
                name="prompt_lease_while_running",
            ),
        ]
        indexes = [
            # Lists, newest first, and what is not sampled yet or not at all.
            models.Index(fields=["campaign", "id"], name="prompt_of_campaign"),
            models.Index(fields=["author", "id"], name="prompt_of_author"),
            models.Index(
                fields=["campaign", "sampling", "id"],
                condition=~Q(sampling="sampled"),
                name="prompt_not_sampled",
            ),
            models.Index(
                # The language, last, is looked at on the way: past prompts that a labeler cannot read.
                fields=["campaign", "rankings_held", "id", "language"],
                condition=Q(sampling="sampled"),
                name="prompt_to_rank",
            ),
            models.Index(
                fields=["campaign", "demonstrations_held", "id", "language"], name="prompt_to_demonstrate"
            ),
            models.Index(fields=["campaign", "prefix_hash"], name="prompt_beginning"),
            models.Index(
                fields=["campaign", "author"],
                condition=~Q(sampling="set_aside"),
                name="prompt_taken_from_author",
            ),
            models.Index(fields=["id"], condition=Q(language=""), name="prompt_in_unknown_language"),
        ]

    def __str__(self) -> str:
        return self.text[:80]

    @property
    def flag_labels(self) -> list[str]:
        return [str(PromptFlag(flag).label) for flag in self.flags]

    @property
    def text(self) -> str:
        """Return the last message, the user's."""
        return str(self.messages[-1]["content"])
