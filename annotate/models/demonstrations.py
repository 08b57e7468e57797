"""Demonstrations: the completions that labelers wrote."""

from django.db import models

from annotate.models.claims import SLOT_WHILE_HELD, Claim
from annotate.models.suggestions import Suggestion


class Demonstration(Claim):
    """A completion that a labeler wrote; its text is the draft until it is submitted."""

    text = models.TextField(blank=True, default="")
    # The policy's suggestion that the text began from; its edits are the difference between the two.
    suggestion = models.ForeignKey(
        Suggestion, null=True, blank=True, on_delete=models.PROTECT, related_name="demonstrations"
    )

    class Meta(Claim.Meta):
        abstract = False
        constraints = [
            *Claim.Meta.constraints,
            models.UniqueConstraint(fields=["prompt", "labeler"], name="demonstration_labeler_once"),
            models.CheckConstraint(condition=SLOT_WHILE_HELD, name="demonstration_slot_while_held"),
        ]

    def __str__(self) -> str:
        return self.text[:80]
