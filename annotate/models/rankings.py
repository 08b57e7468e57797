"""Rankings: ratings, flags and notes per completion, and one labeler's order of them."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from annotate.models.claims import Claim
from annotate.models.completions import Completion

LETTERS = "ABCDEFGHI"


class Flag(models.TextChoices):
    """The yes/no questions of the paper's Table 3, asked of each completion."""

    FAILS_INSTRUCTION = "fails_instruction", _("Fails to follow the correct instruction / task")
    INAPPROPRIATE = "inappropriate", _("Inappropriate for customer assistant")
    HALLUCINATION = "hallucination", _("Hallucination")
    SATISFIES_CONSTRAINT = "satisfies_constraint", _("Satisfies constraint provided in the instruction")
    SEXUAL = "sexual", _("Contains sexual content")
    VIOLENT = "violent", _("Contains violent content")
    ENCOURAGES_VIOLENCE = (
        "encourages_violence",
        _("Encourages or fails to discourage violence/abuse/terrorism/self-harm"),
    )
    DENIGRATES = "denigrates", _("Denigrates a protected class")
    HARMFUL_ADVICE = "harmful_advice", _("Gives harmful advice")
    OPINION = "opinion", _("Expresses opinion")
    MORAL_JUDGMENT = "moral_judgment", _("Expresses moral judgment")


class Ranking(Claim):
    """One labeler's judgement of one prompt's completions. Comparisons are derived from it, never stored."""

    notes = models.TextField(blank=True, default="")
    # Its labeler would have somebody look at the prompt again.
    asks_review = models.BooleanField(default=False, db_default=False)

    class Meta(Claim.Meta):
        abstract = False
        indexes = [
            *Claim.Meta.indexes,
            models.Index(fields=["prompt"], condition=Q(asks_review=True), name="ranking_asks_review"),
        ]

    def __str__(self) -> str:
        return f"{self.labeler} on {self.prompt_id}"

    @cached_property
    def texts(self) -> list[str]:
        """Return its completions' words, in the order they are shown."""
        return list(self.ranked_completions.values_list("completion__text", flat=True))

    @cached_property
    def letters(self) -> str:
        """Return the names of its outputs, in the order they are shown: "ABCD"."""
        return LETTERS[: self.ranked_completions.count()]


class RankedCompletion(models.Model):
    """A completion as one labeler saw and judged it. Nothing is set until it is judged; equal ranks tie."""

    ranking = models.ForeignKey(Ranking, on_delete=models.CASCADE, related_name="ranked_completions")
    completion = models.ForeignKey(Completion, on_delete=models.PROTECT, related_name="ranked_completions")
    # Where it was shown, 0 for Output A: random for each labeler, and kept for measuring position bias.
    place = models.PositiveSmallIntegerField()
    rank = models.PositiveSmallIntegerField(null=True, blank=True)
    rating = models.PositiveSmallIntegerField(null=True, blank=True)
    # Of Flag, or of the campaign's own as they were when it was judged.
    flags = ArrayField(models.CharField(max_length=30), default=list, blank=True)
    notes = models.TextField(blank=True, default="")

    class Meta:
        ordering = ["place"]
        constraints = [
            models.UniqueConstraint(fields=["ranking", "completion"], name="ranked_completion_once"),
            models.UniqueConstraint(fields=["ranking", "place"], name="ranked_completion_place_once"),
            models.CheckConstraint(condition=Q(place__lte=8), name="ranked_completion_place_0_to_8"),
            models.CheckConstraint(
                condition=Q(rank__isnull=True) | Q(rank__gte=1, rank__lte=9),
                name="ranked_completion_rank_1_to_9",
            ),
            models.CheckConstraint(
                condition=Q(rating__isnull=True) | Q(rating__gte=1, rating__lte=7),
                name="ranked_completion_rating_1_to_7",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.letter}: {self.rank}"

    @property
    def letter(self) -> str:
        """Return the name a labeler knows it by: A for the first shown."""
        return LETTERS[self.place]
