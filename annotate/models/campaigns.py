"""Campaigns: one labeling effort each, and its instructions, which have versions."""

import re
from collections.abc import Collection

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

LONGEST_USE_CASE = 200
"""Characters: what a prompt keeps of it."""
LONGEST_CATEGORY = 50
# As a value in a wire format, and in an array of PostgreSQL's, it needs no quotes.
OWN_FLAG = re.compile(r"(?!null$)\w[\w ?-]{0,29}", re.IGNORECASE)


class Campaign(models.Model):
    """One labeling effort: who labels, how many completions a prompt gets, and when the models retrain."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    k = models.PositiveSmallIntegerField(
        _("completions per prompt (K)"),
        default=4,
        validators=[MinValueValidator(2), MaxValueValidator(9)],
        help_text=_("The paper ranks 4 to 9; two makes a pairwise campaign."),
    )
    labelers_per_prompt = models.PositiveSmallIntegerField(
        _("labelers per prompt"), default=1, validators=[MinValueValidator(1), MaxValueValidator(200)]
    )
    is_open = models.BooleanField(_("open for labeling"), default=True)
    is_screening = models.BooleanField(
        _("screening of candidates"),
        default=False,
        help_text=_(
            "Candidates answer beside researchers: set labelers per prompt to how many they are together."
        ),
    )
    gives_qualification = models.CharField(
        _("qualification that accepting a candidate gives"),
        max_length=50,
        blank=True,
        default="",
        help_text=_(
            "Of a screening: whoever is accepted has it, whoever is declined has it no more. Empty: none."
        ),
    )
    # Gone once everything in it is gone: the rehearsal's own campaign, hidden from labelers' lists elsewhere.
    is_rehearsal = models.BooleanField(default=False)
    labelers = models.ManyToManyField(settings.AUTH_USER_MODEL, blank=True, related_name="campaigns")
    # Those of its labelers who look again at what others disagree on, as researchers may.
    reviewers = models.ManyToManyField(settings.AUTH_USER_MODEL, blank=True, related_name="reviews_in")
    # They count for agreement like the others, but no export or snapshot has their answers (paper, 3.4).
    held_out_labelers = models.ManyToManyField(
        settings.AUTH_USER_MODEL, blank=True, related_name="held_out_in"
    )
    use_cases = models.TextField(
        _("use cases"),
        blank=True,
        default="",
        help_text=_("One a line, vague enough to name no customer. Empty: labelers name their own."),
    )
    qualification = models.CharField(
        _("qualification that its labelers need"),
        max_length=50,
        blank=True,
        default="",
        help_text=_("Members without it get no work here. Empty: none is needed."),
    )
    category_qualifications = models.TextField(
        _("qualifications that categories of prompts need"),
        blank=True,
        default="",
        help_text=_(
            "One a line, as “summarization: medicine”: only who has the second is given prompts of the first."
        ),
    )
    categories = models.TextField(
        _("categories of prompts"),
        blank=True,
        default="",
        help_text=_("One a line, of at most 50 characters. Empty: the paper's ten, which stand in Table 1."),
    )
    # Left out rather than asked, so that a question new in the code is asked everywhere.
    flags_left_out = ArrayField(
        models.CharField(max_length=30),
        verbose_name=_("questions about outputs that nobody is asked"),
        default=list,
        blank=True,
        help_text=_("What rankings say already stays with them."),
    )
    own_flags = models.TextField(
        _("questions about outputs of your own"),
        blank=True,
        default="",
        help_text=_("One a line: a name of at most 30 letters, a colon, what it means."),
    )
    prompt_flags_left_out = ArrayField(
        models.CharField(max_length=30),
        verbose_name=_("flags of prompts that nobody is asked"),
        default=list,
        blank=True,
    )
    lease_minutes = models.PositiveSmallIntegerField(
        _("claim length in minutes"), default=60, validators=[MinValueValidator(1), MaxValueValidator(2880)]
    )
    review_below = models.FloatField(
        _("second look where labelers agree less than"),
        null=True,
        blank=True,
        validators=[MinValueValidator(0.0), MaxValueValidator(1.0)],
        help_text=_("The share of comparisons made alike, from 0 to 1. Empty: only labelers ask for one."),
    )
    # Hidden checks (actions/hidden_checks.py), in percent of what a labeler is handed.
    gold_percent = models.PositiveSmallIntegerField(
        _("gold items, percent of what is handed out to rank"),
        default=0,
        validators=[MaxValueValidator(50)],
        help_text=_("Hidden among the others, each once to each labeler. The answers are no data."),
    )
    repeat_percent = models.PositiveSmallIntegerField(
        _("repeats of one's own, percent"),
        default=0,
        validators=[MaxValueValidator(50)],
        help_text=_("What a labeler has ranked comes back once, hidden. The second answers are no data."),
    )
    repeat_after_items = models.PositiveIntegerField(
        _("rankings before a repeat, at least"),
        default=20,
        validators=[MinValueValidator(1), MaxValueValidator(10_000)],
    )
    repeat_after_days = models.PositiveSmallIntegerField(
        _("days before a repeat, at least"), default=0, validators=[MaxValueValidator(365)]
    )
    # The rules of intake; actions/intake.py applies them to each prompt as it comes in.
    longest_prompt = models.PositiveIntegerField(
        _("longest prompt, in characters"),
        default=8000,
        validators=[MinValueValidator(100), MaxValueValidator(1_000_000)],
        help_text=_("The paper's longest has 2,048 tokens, about 8,000 characters."),
    )
    duplicate_prefix = models.PositiveIntegerField(
        _("prompts are duplicates that share their first characters, this many"),
        null=True,
        blank=True,
        default=200,
        validators=[MinValueValidator(20), MaxValueValidator(100_000)],
        help_text=_("Shorter prompts are compared as a whole. Empty: duplicates are let in."),
    )
    prompts_per_author = models.PositiveIntegerField(
        _("prompts taken from one author"),
        null=True,
        blank=True,
        default=200,
        validators=[MinValueValidator(1)],
        help_text=_("The paper takes 200 at most. Empty: as many as come."),
    )
    mask_personal_data = models.BooleanField(
        _("mask personal data in training prompts"),
        default=True,
        help_text=_("Mail and network addresses, numbers of phones, cards, accounts and people; no names."),
    )
    max_completion_tokens = models.PositiveIntegerField(
        _("longest completion, in tokens"),
        default=192,
        validators=[MinValueValidator(8), MaxValueValidator(4096)],
    )
    temperature = models.FloatField(
        _("sampling temperature"), default=1.0, validators=[MinValueValidator(0.1), MaxValueValidator(2.0)]
    )
    retrain_after_comparisons = models.PositiveIntegerField(
        _("retrain after this many new comparisons"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
    )
    retrain_after_hours = models.PositiveIntegerField(
        _("retrain after this many hours"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    promote_min_accuracy = models.FloatField(
        _("promote only if held-out accuracy is at least"),
        default=0.55,
        validators=[MinValueValidator(0.0), MaxValueValidator(1.0)],
    )
    promote_max_kl = models.FloatField(
        _("promote only if KL (nats per completion) is at most"),
        default=30.0,
        validators=[MinValueValidator(0.0)],
    )
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=models.Q(k__gte=2, k__lte=9), name="campaign_k_2_to_9"),
            models.CheckConstraint(
                condition=models.Q(labelers_per_prompt__gte=1), name="campaign_has_labelers_per_prompt"
            ),
            models.CheckConstraint(
                condition=models.Q(temperature__gt=0, temperature__lte=2),
                name="campaign_temperature_in_range",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        self.clean_categories()
        self.clean_own_flags()
        if any(len(each) > LONGEST_USE_CASE for each in self.listed_use_cases):
            message = _("Each use case is a line of at most %(limit)d characters.")
            raise ValidationError({"use_cases": message % {"limit": LONGEST_USE_CASE}})
        for line in self.category_qualifications.splitlines():
            category, _colon, qualification = line.partition(":")
            if line.strip() and not (category.strip() and qualification.strip()):
                message = _("“%(line)s”: write a category, a colon and a qualification.")
                raise ValidationError({"category_qualifications": message % {"line": line[:80]}})

    def closed_categories(self, qualifications: Collection[str]) -> list[str]:
        """Return the categories whose prompts ask for a qualification that is none of these."""
        asked = (line.partition(":") for line in self.category_qualifications.splitlines() if line.strip())
        return [category.strip() for category, _colon, name in asked if name.strip() not in qualifications]

    def clean_categories(self) -> None:
        if any(len(each) > LONGEST_CATEGORY for each in self.listed_categories):
            message = _("Each category is a line of at most %(limit)d characters.")
            raise ValidationError({"categories": message % {"limit": LONGEST_CATEGORY}})

    def clean_own_flags(self) -> None:
        names = [name for name, _help in self.listed_own_flags]
        for name in names:
            if not OWN_FLAG.fullmatch(name):
                message = _("“%(name)s”: a name has at most 30 letters, digits, spaces and hyphens.")
                raise ValidationError({"own_flags": message % {"name": name[:60]}})
        if len(set(names)) < len(names):
            raise ValidationError({"own_flags": _("A name stands twice.")})

    @property
    def listed_categories(self) -> list[str]:
        """Return the categories that authors choose from; none means the paper's."""
        return [line.strip() for line in self.categories.splitlines() if line.strip()]

    @property
    def listed_own_flags(self) -> list[tuple[str, str]]:
        """Return the names of this campaign's own yes/no questions, each with what it means."""
        parts = (line.partition(":") for line in self.own_flags.splitlines() if line.strip())
        return [(name.strip(), help.strip()) for name, _colon, help in parts]

    @property
    def listed_use_cases(self) -> list[str]:
        """Return the use cases that labelers choose from; none means that they name their own."""
        return [line.strip() for line in self.use_cases.splitlines() if line.strip()]

    @property
    def hides_checks(self) -> bool:
        return bool(self.gold_percent or self.repeat_percent)

    @property
    def retrains(self) -> bool:
        return self.retrain_after_comparisons is not None or self.retrain_after_hours is not None


class Instructions(models.Model):
    """What labelers are told, as Markdown. A change makes a new version; an old one is never edited."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="instructions")
    version = models.PositiveIntegerField()
    text = models.TextField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-version"]
        constraints = [
            models.UniqueConstraint(fields=["campaign", "version"], name="instructions_version_once"),
        ]

    def __str__(self) -> str:
        return f"{self.campaign} v{self.version}"
