"""The people and policies that a file names: found, or added so that they can be named but not used."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.contrib.auth.hashers import make_password
from django.utils.translation import gettext as _

from annotate.actions.prompts import split_of
from annotate.errors import Invalid
from annotate.models import Checkpoint, CheckpointKind, User
from annotate.wire import Row


@dataclass
class Names:
    """What an import has learned of its names, kept from batch to batch."""

    users: dict[str, User] = field(default_factory=dict)
    policies: dict[str, Checkpoint] = field(default_factory=dict)


def learn(names: Names, rows: Sequence[Row]) -> None:
    """Find or add everyone and every policy in these rows."""
    _learn_users(names, {name for row in rows for name in (row.author, row.labeler) if name})
    _learn_policies(names, {policy for row in rows for _text, policy in row.completions})


def _learn_users(names: Names, mentioned: set[str]) -> None:
    """Someone new is inactive and has no password: a file lets nobody in."""
    missing = sorted(mentioned - names.users.keys())
    if not missing:
        return
    new = [User(username=name, is_active=False, password=make_password(None)) for name in missing]
    User.objects.bulk_create(new, ignore_conflicts=True)
    names.users |= {user.username: user for user in User.objects.filter(username__in=missing)}


def _learn_policies(names: Names, mentioned: set[str]) -> None:
    missing = sorted(mentioned - names.policies.keys())
    if not missing:
        return
    new = [Checkpoint(kind=CheckpointKind.POLICY, name=name, stage="imported") for name in missing]
    Checkpoint.objects.bulk_create(new, ignore_conflicts=True)
    shared = Checkpoint.objects.filter(kind=CheckpointKind.POLICY, campaign=None, name__in=missing)
    names.policies |= {policy.name: policy for policy in shared}


def check_split(names: Names, row: Row) -> None:
    """Fix the split of a row's author, or raise Invalid when it is another than the row's."""
    if not row.author:
        return
    author = names.users[row.author]
    if not author.split:
        _fix_split(author, row.split)
    if row.split and row.split != author.split:
        words = {"author": row.author, "theirs": author.split, "split": row.split}
        problem = _("all prompts of %(author)s are in %(theirs)s, this one says %(split)s; use one split.")
        raise Invalid(problem % words)


def _fix_split(author: User, wanted: str) -> None:
    if not wanted:
        author.split = split_of(author)
        return
    User.objects.filter(pk=author.pk, split="").update(split=wanted)
    author.refresh_from_db(fields=["split"])
