"""Rankings: ratings, flags and notes per completion, and one labeler's order of them."""

from collections.abc import Sequence

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from annotate.models.claims import SLOT_WHILE_HELD, Claim
from annotate.models.completions import Completion

LETTERS = "ABCDEFGHI"


def in_order(ranks: Sequence[int]) -> str:
    """Return ranks as the numbers of their completions, the best first.

    >>> in_order([2, 1, 2])
    '2 > 1 = 3'
    """
    tied = [[str(n) for n, rank in enumerate(ranks, start=1) if rank == each] for each in sorted(set(ranks))]
    return " > ".join(" = ".join(numbers) for numbers in tied)


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


class Purpose(models.TextChoices):
    """What a ranking is for. Checks hold no slot and are no data: no export, no progress has them."""

    DATA = "data", _("Data")
    GOLD = "gold", _("Check by a gold item")
    REPEAT = "repeat", _("Check by a repeat")


class Ranking(Claim):
    """One labeler's judgement of one prompt's completions. Comparisons are derived from it, never stored."""

    purpose = models.CharField(max_length=10, choices=Purpose.choices, default=Purpose.DATA)
    notes = models.TextField(blank=True, default="")
    # Its labeler would have somebody look at the prompt again.
    asks_review = models.BooleanField(default=False, db_default=False)

    class Meta(Claim.Meta):
        abstract = False
        indexes = [
            *Claim.Meta.indexes,
            models.Index(fields=["prompt"], condition=Q(asks_review=True), name="ranking_asks_review"),
        ]
        constraints = [
            *Claim.Meta.constraints,
            models.UniqueConstraint(fields=["prompt", "labeler", "purpose"], name="ranking_labeler_once"),
            models.CheckConstraint(
                condition=Q(SLOT_WHILE_HELD, purpose="data") | ~Q(purpose="data") & Q(slot__isnull=True),
                name="ranking_slot_while_held",
            ),
            models.CheckConstraint(condition=Q(purpose__in=Purpose.values), name="ranking_purpose_known"),
        ]

    def __str__(self) -> str:
        return f"{self.labeler} on {self.prompt_id}"

    @property
    def takes_slot(self) -> bool:
        return self.purpose == Purpose.DATA and not self.is_review

    @property
    def ranks(self) -> list[int]:
        """Return the ranks of a submitted one, in the order in which the prompt has its completions."""
        rows = sorted(self.ranked_completions.all(), key=lambda row: row.completion.place)
        return [row.rank for row in rows if row.rank is not None]

    @property
    def in_order(self) -> str:
        """Return the completions' numbers, the best first: "2 > 1 = 3"."""
        return in_order(self.ranks)

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
