"""Snapshots: immutable, hashed sets of rows that runs and people read."""

from django.conf import settings
from django.db import models

from annotate.models.campaigns import Campaign


class Snapshot(models.Model):
    """Files in the wire formats, written once; the hash covers them, so a run can name what it read."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="snapshots")
    sha256 = models.CharField(max_length=64)
    # What it was asked for, by name; {} is all of its campaign.
    query = models.JSONField(default=dict)
    # {"rankings": {"rows", "sha256", "bytes", "splits", "sources", "labelers", ...}, ...}, one entry a file
    manifest = models.JSONField()
    # What its data card says besides: {"agreement", "lengths", "histogram", "held_out", "instructions"}
    facts = models.JSONField(default=dict)
    location = models.CharField(max_length=500)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["campaign", "sha256"], name="snapshot_content_once"),
        ]

    def __str__(self) -> str:
        return self.sha256[:12]

    @property
    def asked(self) -> list[tuple[str, str]]:
        """Return its query as names and texts."""
        return [
            (name, ", ".join(map(str, value)) if isinstance(value, list) else str(value))
            for name, value in self.query.items()
        ]
