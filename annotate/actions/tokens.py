"""Writing tokens: making one, revoking it, and counting its use."""

import secrets
from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256

from django.db import transaction
from django.db.models import Case, F, Value, When
from django.utils import timezone
from django.utils.translation import gettext as _

from annotate.actions.audit import record
from annotate.errors import Invalid, Refused
from annotate.models import ApiToken, Scope, User

PREFIX = "podium_"
"""By it, people and scanners of leaked secrets know what they see."""
LONGEST_DAYS = 365
MOST_TOKENS = 50
BEGINS = len(PREFIX) + 6


def make_token(owner: User, name: str, scopes: Sequence[str], days: int) -> tuple[ApiToken, str]:
    """Return a new token and its text, which nobody can read later.

    Raises:
        Invalid: it has no name, no scope, or lasts too long.
        Refused: its owner has too many.
    """
    _check(name, scopes, days)
    if owner.tokens.filter(revoked_at=None, expires_at__gt=timezone.now()).count() >= MOST_TOKENS:
        raise Refused(_("You have %(limit)d tokens already; revoke some.") % {"limit": MOST_TOKENS})
    text = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        token = ApiToken.objects.create(
            owner=owner,
            name=name.strip(),
            sha256=hash_of(text),
            begins=text[:BEGINS],
            scopes=sorted(set(scopes), key=Scope.values.index),
            expires_at=timezone.now() + timedelta(days=days),
        )
        record(owner, "made", token, name=token.name, scopes=token.scopes)
    return token, text


def _check(name: str, scopes: Sequence[str], days: int) -> None:
    if not 1 <= len(name.strip()) <= 100:
        raise Invalid(_("Name: say in up to 100 characters what the token is for."))
    if not scopes or set(scopes) - set(Scope.values):
        raise Invalid(_("Scopes: choose what the token may be used for."))
    if not 1 <= days <= LONGEST_DAYS:
        raise Invalid(_("Days: from 1 to %(limit)d.") % {"limit": LONGEST_DAYS})


def revoke(token: ApiToken, actor: User) -> None:
    """End a token at once; one that is revoked already stays so."""
    with transaction.atomic():
        if ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
            record(actor, "revoked", token, name=token.name, owner=token.owner.username)


def use(text: str) -> ApiToken | None:
    """Return the token of this text, one more request counted; None if it is not, or no longer, good."""
    now = timezone.now()
    minute = now.replace(second=0, microsecond=0)
    good = ApiToken.objects.filter(
        sha256=hash_of(text), revoked_at=None, expires_at__gt=now, owner__is_active=True
    )
    # One statement, so that requests at the same time are all counted.
    requests = Case(When(minute=minute, then=F("requests") + 1), default=Value(1))
    if not good.update(requests=requests, minute=minute, last_used_at=now):
        return None
    return good.select_related("owner").first()


def hash_of(text: str) -> str:
    return sha256(text.encode(errors="surrogateescape")).hexdigest()
