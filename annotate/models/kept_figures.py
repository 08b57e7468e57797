"""Kept figures: what was worked out of a big campaign, so that no page has to read all its rows."""

from django.db import models

from annotate.models.campaigns import Campaign


class KeptFigures(models.Model):
    """One campaign's figures on one subject of annotate/kept.py, as they were when the reading began."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="kept_figures")
    subject = models.CharField(max_length=20)
    figures = models.JSONField(null=True)
    as_of = models.DateTimeField(null=True)
    # How long that took; from it follows how often it is worth while.
    seconds = models.FloatField(default=0)
    # Since when a worker has been working them out anew; None while none is.
    began_at = models.DateTimeField(null=True)
    is_asked_for = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "subject"], name="kept_figures_once")]

    def __str__(self) -> str:
        return f"{self.subject} of {self.campaign_id}"

    @property
    def is_under_way(self) -> bool:
        return self.is_asked_for or self.began_at is not None or self.as_of is None
