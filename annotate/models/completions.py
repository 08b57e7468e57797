"""Completions: what a policy answered, and how it was sampled."""

from django.db import models
from django.db.models import Q

from annotate.models.checkpoints import Checkpoint
from annotate.models.prompts import Prompt


class Completion(models.Model):
    """One answer of one policy to one prompt. `place` tells the K answers apart."""

    prompt = models.ForeignKey(Prompt, on_delete=models.CASCADE, related_name="completions")
    policy = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, related_name="completions")
    place = models.PositiveSmallIntegerField()
    text = models.TextField(blank=True)
    # How it was sampled; all of it is None or empty for an imported completion.
    seed = models.BigIntegerField(null=True, blank=True)
    temperature = models.FloatField(null=True, blank=True)
    token_count = models.PositiveIntegerField(null=True, blank=True)
    finish_reason = models.CharField(max_length=20, blank=True, default="")
    engine = models.CharField(max_length=100, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["prompt", "place"]
        constraints = [
            # Two workers on one prompt cannot store an answer twice.
            models.UniqueConstraint(fields=["prompt", "place"], name="completion_place_once"),
            models.CheckConstraint(condition=Q(place__lte=8), name="completion_place_0_to_8"),
        ]

    def __str__(self) -> str:
        return self.text[:80]
