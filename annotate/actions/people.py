"""Writing people: inviting them, their roles and passwords, and what they chose for themselves."""

import re
import secrets
from collections.abc import Sequence

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from annotate.actions.audit import record
from annotate.errors import Invalid, Refused
from annotate.models import Role, User

LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,2}")
LONGEST_QUALIFICATION = 50
"""Characters: what the row keeps."""


def new_password() -> str:
    """Return a password of 96 random bits that can be read aloud or copied."""
    return secrets.token_urlsafe(12)


def invite(actor: User | None, username: str, role: str, password: str | None = None) -> tuple[User, str]:
    """Add a person and return them with their first password, which is stored only as a hash.

    Raises:
        Invalid: the name is taken or has odd characters, or there is no such role.
    """
    first_password = password or new_password()
    person = User(username=User.normalize_username(username), role=role)
    person.set_password(first_password)
    try:
        person.full_clean()
    except ValidationError as error:
        sentences = (f"{field}: {' '.join(words)}" for field, words in error.message_dict.items())
        raise Invalid(" ".join(sentences)) from error
    with transaction.atomic():
        person.save(force_insert=True)
        record(actor, "invited", person, username=person.username, role=role)
    return person, first_password


def change_role(person: User, role: str, actor: User) -> None:
    if role not in Role.values:
        raise Invalid(_("Role: there is no role “%(role)s”.") % {"role": role})
    with transaction.atomic():
        if role != Role.ADMIN:
            refuse_last_admin(person)
        before, person.role = person.role, role
        person.save(update_fields=["role"])
        record(actor, "changed role", person, before=before, after=role)


@transaction.atomic
def change_person(
    person: User, actor: User, role: str | None = None, is_active: bool | None = None, **work: Sequence[str]
) -> None:
    """Change a person's role, whether they may sign in, and what they work on, where it is said."""
    change_work(person, actor, **work)
    if role is not None and role != person.role:
        change_role(person, role, actor)
    if is_active is not None and is_active != person.is_active:
        (reactivate if is_active else deactivate)(person, actor)


def change_work(
    person: User,
    actor: User,
    languages: Sequence[str] | None = None,
    qualifications: Sequence[str] | None = None,
) -> None:
    """Change which languages a person reads and what they are qualified for, where either is said.

    Raises:
        Invalid: a language is not a code, or a qualification is too long.
    """
    before = {"languages": person.languages, "qualifications": person.qualifications}
    said = {"languages": languages, "qualifications": qualifications}
    changed = {name: list(now) for name, now in said.items() if now is not None and list(now) != before[name]}
    for language in changed.get("languages", []):
        if not LANGUAGE.fullmatch(language):
            raise Invalid(
                _("Languages: “%(code)s” is not a code such as en or zh.") % {"code": language[:80]}
            )
    for name in changed.get("qualifications", []):
        if not 0 < len(name) <= LONGEST_QUALIFICATION:
            words = {"name": name[:80], "limit": LONGEST_QUALIFICATION}
            raise Invalid(_("Qualifications: “%(name)s” needs 1 to %(limit)d characters.") % words)
    if changed:
        for field, value in changed.items():
            setattr(person, field, value)
        with transaction.atomic():
            person.save(update_fields=list(changed))
            record(actor, "changed work", person, **changed)


def deactivate(person: User, actor: User) -> None:
    """Shut a person out at once: open sessions end with the next request. What they did stays."""
    with transaction.atomic():
        refuse_last_admin(person)
        person.is_active = False
        person.save(update_fields=["is_active"])
        record(actor, "deactivated", person)


def reactivate(person: User, actor: User) -> None:
    with transaction.atomic():
        person.is_active = True
        person.save(update_fields=["is_active"])
        record(actor, "reactivated", person)


def reset_password(person: User, actor: User) -> str:
    """Give a person a new password and return it; nobody can read it later."""
    password = new_password()
    with transaction.atomic():
        person.set_password(password)
        person.save(update_fields=["password"])
        record(actor, "reset password", person)
    return password


def change_own_password(person: User, old: str, new: str) -> None:
    """Replace a person's own password.

    Raises:
        Invalid: the old one is wrong, or the new one is too weak.
    """
    if not person.check_password(old):
        raise Invalid(_("Current password: that is not your password."))
    try:
        validate_password(new, person)
    except ValidationError as error:
        raise Invalid(_("New password: %(why)s") % {"why": " ".join(error.messages)}) from error
    with transaction.atomic():
        person.set_password(new)
        person.save(update_fields=["password"])
        record(person, "changed password", person)


def choose_theme(person: User, theme: str) -> None:
    person.theme = theme
    try:
        person.clean_fields(exclude=["password", "username", "email"])
    except ValidationError as error:
        raise Invalid(_("Theme: there is no theme “%(theme)s”.") % {"theme": theme}) from error
    person.save(update_fields=["theme"])


def refuse_last_admin(person: User) -> None:
    """Keep one active admin: without any, nobody could ever add one again. Call it inside a transaction."""
    # Locked in one order, so that two admins demoting each other cannot both succeed.
    admins = (
        User.objects.select_for_update(no_key=True).filter(role=Role.ADMIN, is_active=True).order_by("pk")
    )
    if set(admins.values_list("pk", flat=True)) == {person.pk}:
        raise Refused(
            _("%(name)s is the only active admin. Make someone else an admin first.") % {"name": person}
        )
