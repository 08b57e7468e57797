"""Demonstrations: the completions that labelers wrote."""

from django.db import models

from annotate.models.claims import Claim


class Demonstration(Claim):
    """A completion that a labeler wrote; its text is the draft until it is submitted."""

    text = models.TextField(blank=True, default="")

    class Meta(Claim.Meta):
        abstract = False

    def __str__(self) -> str:
        return self.text[:80]
