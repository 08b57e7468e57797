"""What answers of both kinds go through: drafted, submitted, taken back, skipped."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple, TypeVar

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotate.actions import claims, revisions
from annotate.errors import Invalid, Refused
from annotate.models import ClaimState, Demonstration, PromptFlag, Ranking, SkipKind

C = TypeVar("C", Ranking, Demonstration)
LONGEST_REASON = 300
UNDO_TIME = timedelta(seconds=10)
UNDO_GRACE = timedelta(seconds=2)
"""What the way to the server may take."""
DRAFT = [*claims.HOLD, "seconds", "prompt_flags", "drafted_at"]
SUBMITTED = [*claims.HOLD, "seconds", "prompt_flags", "submitted_at"]
"""The fields that a draft and a submission change, beside the words themselves."""


class Kept(NamedTuple):
    """A stored draft: its name, and whether it replaced one that its sender had not seen."""

    name: str
    was_newer: bool


def draft(locked: C, seconds: float | None, prompt_flags: Sequence[str], known: str | None) -> Kept:
    """Turn a locked claim's answer into its latest draft, which the caller saves.

    The claim is renewed, but a skipped one stays skipped. One that stays expired has lost its slot; the draft
    is kept all the same. `known` is the draft that the sender began from.
    """
    was_newer = known is not None and known != name_of_draft(locked)
    locked.drafted_at, locked.seconds, locked.prompt_flags = timezone.now(), seconds, list(prompt_flags)
    if locked.state != ClaimState.SKIPPED:
        claims.renew(locked)
    return Kept(name_of_draft(locked), was_newer)


def name_of_draft(claim: C) -> str:
    """Return what tells a claim's drafts apart, empty for a claim that has none."""
    return claim.drafted_at.isoformat() if claim.drafted_at else ""


def submit(claim: C, seconds: float | None, prompt_flags: Sequence[str]) -> None:
    """Turn a held claim into an answer, which the caller saves.

    `seconds` is the time worked on it, where the browser counted.
    """
    now = timezone.now()
    elapsed = (now - claim.created_at).total_seconds()
    claim.seconds = elapsed if seconds is None else min(max(seconds, 0.0), elapsed)
    claim.prompt_flags = list(prompt_flags)
    claim.state, claim.submitted_at, claim.lease_until = ClaimState.SUBMITTED, now, None


def can_undo(claim: C) -> bool:
    """Return whether a submission is still young enough to be taken back."""
    return claim.submitted_at is not None and timezone.now() - claim.submitted_at <= UNDO_TIME + UNDO_GRACE


@transaction.atomic
def undo(claim: C) -> None:
    """Take a submission back to a claim with its draft; one taken back already stays so.

    Raises:
        Refused: it is too late, or a snapshot has read the answer.
    """
    locked = claims.lock(claim)
    if locked.state != ClaimState.SUBMITTED:
        return
    refuse_frozen(locked)
    if not can_undo(locked):
        raise Refused(_("It is too late to undo this. You can still change your answer and submit it again."))
    revisions.keep(locked)
    locked.submitted_at, locked.drafted_at = None, timezone.now()
    claims.renew(locked)
    locked.save(update_fields=[*claims.HOLD, "submitted_at", "drafted_at"])


@transaction.atomic
def skip(claim: C, kind: str, reason: str) -> None:
    """Let a prompt go to others, saying why; what was written stays with the claim.

    Raises:
        Invalid: the kind is none of SkipKind, or words are missing or too many.
        Refused: it is submitted already.
    """
    reason = reason.strip()
    if kind not in SkipKind.values:
        raise Invalid(_("Reason: choose why you skip this prompt."))
    if kind == SkipKind.OTHER and not reason:
        raise Invalid(_("Reason: say in a few words why you skip this prompt."))
    if len(reason) > LONGEST_REASON:
        raise Invalid(_("Reason: at most %(limit)d characters.") % {"limit": LONGEST_REASON})
    locked = claims.lock(claim)
    if locked.state == ClaimState.SUBMITTED:
        raise Refused(_("You have submitted this already. Change your answer instead of skipping."))
    locked.state, locked.slot, locked.lease_until = ClaimState.SKIPPED, None, None
    locked.skip_kind, locked.skip_reason = kind, reason
    locked.save(update_fields=[*claims.HOLD, "skip_kind", "skip_reason"])


def check_prompt_flags(prompt_flags: Sequence[str]) -> None:
    for flag in prompt_flags:
        if flag not in PromptFlag.values:
            raise Invalid(_("Prompt: there is no flag “%(flag)s”.") % {"flag": flag})


def refuse_submitted(claim: C) -> None:
    if claim.state == ClaimState.SUBMITTED:
        raise Refused(_("This is submitted. Changes count once you submit them again."))


def refuse_frozen(claim: C) -> None:
    if claim.frozen_at is not None:
        raise Refused(
            _("This answer is part of a snapshot that runs learn from, so it cannot be changed any more.")
        )
