"""Audit: who did what to which row, when."""

from django.conf import settings
from django.db import models


class AuditEntry(models.Model):
    """One thing that someone did. Rows are added and never changed."""

    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    verb = models.CharField(max_length=50)
    noun = models.CharField(max_length=50)
    noun_id = models.BigIntegerField(null=True)
    detail = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["noun", "noun_id"], name="audit_of_row")]

    def __str__(self) -> str:
        return f"{self.actor} {self.verb} {self.noun} {self.noun_id}"
