"""Transfers: data on its way in or out, that takes a while: how far it is, and how it ended."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from annotate.models.campaigns import Campaign
from annotate.models.runs import RunState
from annotate.models.snapshots import Snapshot


class TransferKind(models.TextChoices):
    IMPORT = "import", _("Import")
    SNAPSHOT = "snapshot", _("Snapshot")
    FILE = "file", _("File of a snapshot")


class Transfer(models.Model):
    """A file to take in, a snapshot to take, or a file to make of one. Its states are a run's."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="transfers")
    kind = models.CharField(max_length=10, choices=TransferKind.choices)
    # Of an import {"kind", "name", "keep_good"}, of a snapshot its query, of its file {"kind", "form"}.
    asked = models.JSONField(default=dict)
    # Where an upload is kept until it is taken in.
    location = models.CharField(max_length=500, blank=True, default="")
    # Whoever asked reads what is wrong in this language.
    language = models.CharField(max_length=10, default="en")
    state = models.CharField(max_length=10, choices=RunState.choices, default=RunState.QUEUED)
    reason = models.TextField(blank=True, default="")
    # How far it is: rows and bytes of so many, None where nobody knows; lines refused.
    rows = models.PositiveBigIntegerField(default=0)
    bytes = models.PositiveBigIntegerField(default=0)
    total_bytes = models.PositiveBigIntegerField(null=True)
    total_rows = models.PositiveBigIntegerField(null=True)
    refused = models.PositiveBigIntegerField(default=0)
    # Of the first refused lines: [number, what is wrong].
    problems = models.JSONField(default=list)
    # What came of it: an import's counts, a snapshot; a file's snapshot is there from the beginning.
    result = models.JSONField(default=dict)
    snapshot = models.ForeignKey(Snapshot, null=True, on_delete=models.SET_NULL, related_name="transfers")
    attempts = models.PositiveSmallIntegerField(default=0)
    heartbeat_at = models.DateTimeField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=TransferKind.values), name="transfer_kind_known"),
            models.CheckConstraint(condition=Q(state__in=RunState.values), name="transfer_state_known"),
            models.CheckConstraint(
                condition=Q(state__in=["queued", "running"], finished_at__isnull=True)
                | Q(state__in=["succeeded", "failed", "cancelled"], finished_at__isnull=False),
                name="transfer_finished_has_time",
            ),
        ]
        indexes = [
            models.Index(
                fields=["state"], condition=Q(state__in=["queued", "running"]), name="transfer_alive"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}"

    @property
    def is_alive(self) -> bool:
        return self.state in (RunState.QUEUED, RunState.RUNNING)

    @property
    def total(self) -> int | None:
        return self.total_rows if self.total_bytes is None else self.total_bytes

    @property
    def done(self) -> int:
        """Return how much of `total` is done."""
        return self.rows if self.total_bytes is None else min(self.bytes, self.total_bytes)
