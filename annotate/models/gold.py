"""Gold items: prompts whose right ranking is known, by which labelers are checked without knowing."""

from typing import Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from annotate.models.claims import ClaimState
from annotate.models.prompts import Prompt
from annotate.models.rankings import Purpose, Ranking, in_order


class GoldItemQuerySet(models.QuerySet["GoldItem"]):
    def with_answers(self) -> Self:
        """Add as `answers` how many labelers each item has checked so far."""
        done = models.Q(prompt__rankings__purpose=Purpose.GOLD, prompt__rankings__state=ClaimState.SUBMITTED)
        return self.annotate(answers=models.Count("prompt__rankings", filter=done))


class GoldItem(models.Model):
    """A prompt with the ranks that its completions should get."""

    prompt = models.OneToOneField(Prompt, on_delete=models.CASCADE, related_name="gold")
    # A copy, in the order in which the prompt has its completions: the ranking's labeler may still change it.
    ranks = ArrayField(models.PositiveSmallIntegerField())
    ranking = models.ForeignKey(Ranking, null=True, on_delete=models.SET_NULL, related_name="+")
    marked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = GoldItemQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]

    @property
    def in_order(self) -> str:
        """Return the completions' numbers, the best first: "2 > 1 = 3"."""
        return in_order(self.ranks)

    def __str__(self) -> str:
        return f"gold for {self.prompt_id}"
