"""Keeping what a write was answered, so that the same request sent twice is done once."""

from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotate.errors import Invalid
from annotate.models import ApiToken, KeptAnswer

KEPT = timedelta(days=2)
LONGEST_KEY = 200


class Said(NamedTuple):
    """An answer: its status, its body as it went out, and whether it was given before."""

    status: int
    body: str
    is_repeated: bool = False


@transaction.atomic
def once(token: ApiToken, key: str, request: str, act: Callable[[], Said]) -> Said:
    """Act and keep what came of it, or return what came of it the first time.

    A second request of the same key waits here for the first. Where the action raises nothing is kept, so
    that it can be tried again.

    Raises:
        Invalid: the key is too long, or came with another request.
    """
    if not 1 <= len(key) <= LONGEST_KEY or not key.isprintable():
        raise Invalid(_("Idempotency-Key: from 1 to %(limit)d characters.") % {"limit": LONGEST_KEY})
    kept, is_new = KeptAnswer.objects.get_or_create(token=token, key=key, defaults={"request": request})
    if kept.request != request:
        raise Invalid(_("Idempotency-Key: this key came with another request; use a new key for this one."))
    if not is_new:
        return Said(kept.status, kept.body, is_repeated=True)
    said = act()
    kept.status, kept.body = said.status, said.body
    kept.save(update_fields=["status", "body"])
    return said


def forget_old() -> int:
    """Delete what is older than anyone who tries again; return how many rows that was."""
    count, _tables = KeptAnswer.objects.filter(created_at__lt=timezone.now() - KEPT).delete()
    return count
