"""Demonstrations: the completions that labelers wrote."""

from django.db import models

from annotate.models.claims import Claim
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

    def __str__(self) -> str:
        return self.text[:80]
