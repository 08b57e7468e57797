"""Revisions: what an answer said before its labeler changed it."""

from django.db import models
from django.db.models import Q

from annotate.models.demonstrations import Demonstration
from annotate.models.rankings import Ranking


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
