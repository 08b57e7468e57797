"""Revisions: what an answer said before its labeler changed it."""

from itertools import groupby

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from annotate.models.demonstrations import Demonstration
from annotate.models.rankings import Ranking


def order_in_words(ranks: dict[str, int]) -> str:
    """Return who is where, as the ranking page says it: "B is first, A and D tie for second"."""
    ordinals = _("first|second|third|fourth|fifth|sixth|seventh|eighth|ninth").split("|")
    parts, better = [], 0
    for _rank, group in groupby(sorted(ranks, key=lambda letter: (ranks[letter], letter)), ranks.get):
        letters = list(group)
        words = _("{outputs} tie for {place}") if len(letters) > 1 else _("{outputs} is {place}")
        last = _(" and ") + letters[-1] if len(letters) > 1 else letters[0]
        outputs = _(", ").join(letters[:-1]) + last
        parts.append(words.format(outputs=outputs, place=ordinals[better]))
        better += len(letters)
    return pgettext("between places", ", ").join(parts)


class Revision(models.Model):
    """A submitted answer as it stood until it was replaced or taken back; never changed itself."""

    ranking = models.ForeignKey(
        Ranking, null=True, blank=True, on_delete=models.CASCADE, related_name="revisions"
    )
    demonstration = models.ForeignKey(
        Demonstration, null=True, blank=True, on_delete=models.CASCADE, related_name="revisions"
    )
    # A ranking's judgements by letter with its notes, or a demonstration's text.
    answer = models.JSONField()
    seconds = models.FloatField(null=True, blank=True)
    submitted_at = models.DateTimeField()
    replaced_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(ranking__isnull=True) ^ Q(demonstration__isnull=True),
                name="revision_of_one_answer",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.ranking or self.demonstration}, until {self.replaced_at}"

    @property
    def order_in_words(self) -> str:
        """Return a ranking's order as a sentence."""
        return order_in_words({letter: said["rank"] for letter, said in self.answer["judgements"].items()})

    @property
    def ratings_in_words(self) -> str:
        return _(", ").join(
            f"{letter} {said['rating']}" for letter, said in sorted(self.answer["judgements"].items())
        )
