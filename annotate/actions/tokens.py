"""Writing tokens: making one, revoking it, and counting its use."""

import secrets
from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotate import sql
from annotate.actions.audit import record
from annotate.errors import Invalid, Refused
from annotate.models import ApiToken, Scope, User

PREFIX = "podium_"
"""By it, people and scanners of leaked secrets know what they see."""
LONGEST_DAYS = 365
MOST_TOKENS = 50
BEGINS = len(PREFIX) + 6
# One statement, so that requests at the same time are all counted; before every request of the API.
USE = """
UPDATE annotate_apitoken AS token SET
    requests = CASE WHEN token.minute = %(minute)s THEN token.requests + 1 ELSE 1 END,
    minute = %(minute)s, last_used_at = %(now)s
FROM annotate_user AS owner
WHERE owner.id = token.owner_id AND owner.is_active
    AND token.sha256 = %(sha256)s AND token.revoked_at IS NULL AND token.expires_at > %(now)s
RETURNING token.*, owner.*
"""


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
    values = {"sha256": hash_of(text), "now": now, "minute": now.replace(second=0, microsecond=0)}
    (found,) = sql.run(USE, values)
    if not found.rows:
        return None
    (token,) = sql.instances(ApiToken, found)
    # The owner's columns come after the token's, some of them by the same names.
    owners = len(ApiToken._meta.concrete_fields)
    (token.owner,) = sql.instances(
        User, sql.Result(found.names[owners:], [row[owners:] for row in found.rows])
    )
    return token


def hash_of(text: str) -> str:
    return sha256(text.encode(errors="surrogateescape")).hexdigest()
