"""Counting failed sign-ins, so that passwords cannot be guessed by trying."""

import zlib
from datetime import timedelta

from django.db.models import QuerySet
from django.utils import timezone

from annotate.models import AuditEntry

MOST_FAILURES = 5
WINDOW = timedelta(minutes=5)


def failed(username: str, address: str) -> None:
    """Record one failure of this name from this address."""
    # Unknown names are counted like known ones, so a checksum stands in for an id: the index is on it.
    AuditEntry.objects.create(
        verb="failed",
        noun="sign_in",
        noun_id=_checksum(username, address),
        detail={"username": username[:150], "address": address},
    )


def is_throttled(username: str, address: str) -> bool:
    return _recent_failures(username, address).count() >= MOST_FAILURES


def _recent_failures(username: str, address: str) -> QuerySet[AuditEntry]:
    since = timezone.now() - WINDOW
    key = _checksum(username, address)
    return AuditEntry.objects.filter(noun="sign_in", noun_id=key, created_at__gte=since)


def _checksum(username: str, address: str) -> int:
    return zlib.crc32(f"{username.casefold()} {address}".encode())
