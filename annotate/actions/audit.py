"""Recording who did what."""

from typing import Any

from django.db import models

from annotate.models import AuditEntry, User


def record(actor: User | None, verb: str, row: models.Model, **detail: Any) -> AuditEntry:
    """Add one audit entry; call it in the transaction of the write it tells of."""
    noun = row._meta.model_name or ""
    return AuditEntry.objects.create(actor=actor, verb=verb, noun=noun, noun_id=row.pk, detail=detail)
