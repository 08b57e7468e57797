"""Writing demonstrations: claiming a prompt that has none, keeping the draft, submitting it."""

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotate.actions import answers, claims, handing_out, revisions
from annotate.errors import Invalid
from annotate.models import Campaign, ClaimState, Demonstration, Prompt, Suggestion, User

LONGEST_DEMONSTRATION = 20_000
"""Characters."""


def claim_next(campaign: Campaign, labeler: User, besides: int = 0) -> Demonstration | None:
    """Return what this labeler demonstrates next, as claims.claim_next says."""
    return claims.claim_next(Demonstration, campaign, labeler, besides)


def left(campaign: Campaign, labeler: User) -> int:
    return handing_out.left(Demonstration, campaign, labeler)


def save_draft(
    demonstration: Demonstration,
    text: str,
    seconds: float | None,
    suggestion: Suggestion | None = None,
    prompt_flags: Sequence[str] = (),
    known: str | None = None,
) -> answers.Kept:
    """Keep an unfinished text, with the suggestion that it began from, and renew the claim.

    `known` is the draft that the sender began from.

    Raises:
        Invalid: the text is too long, or a flag is none of PromptFlag; nothing is kept of it.
        Refused: it is submitted already, or the claim ran out and its slot is taken; then the draft is kept.
    """
    check(text, prompt_flags)
    with transaction.atomic():
        locked = claims.lock(demonstration)
        answers.refuse_submitted(locked)
        locked.text, locked.suggestion = text, suggestion
        kept = answers.draft(locked, seconds, prompt_flags, known)
        locked.save(update_fields=[*answers.DRAFT, "text", "suggestion"])
    if locked.state == ClaimState.EXPIRED:
        raise claims.lost()
    return kept


@transaction.atomic
def submit(
    demonstration: Demonstration,
    text: str,
    seconds: float | None,
    suggestion: Suggestion | None = None,
    prompt_flags: Sequence[str] = (),
) -> None:
    """Make a text count; the same again changes nothing, another one replaces it until it is frozen.

    Raises:
        Invalid: the text is empty or too long, or a flag is none of PromptFlag.
        Refused: a snapshot has read it, or the claim ran out and its slot is taken.
    """
    check(text, prompt_flags)
    if not text.strip():
        raise Invalid(_("Demonstration: write the completion that you would want to get."))
    held = claims.hold(demonstration)
    if held.state == ClaimState.SUBMITTED:
        if (held.text, held.prompt_flags) == (text.strip(), list(prompt_flags)):
            return
        answers.refuse_frozen(held)
        revisions.keep(held)
    held.text, held.suggestion = text.strip(), suggestion
    answers.submit(held, seconds, prompt_flags)
    held.save(update_fields=[*answers.SUBMITTED, "text", "suggestion"])


def write_own_demonstration(
    prompt: Prompt, author: User, text: str, suggestion: Suggestion | None = None
) -> Demonstration:
    """Add what a prompt's author answers themselves; call it in the transaction that adds the prompt."""
    return Demonstration.objects.create(
        prompt=prompt,
        labeler=author,
        text=text.strip(),
        suggestion=suggestion,
        state=ClaimState.SUBMITTED,
        slot=0,
        submitted_at=timezone.now(),
        instructions=prompt.campaign.instructions.first(),
    )


def check(text: str, prompt_flags: Sequence[str]) -> None:
    """Refuse what can never be right, drafts included."""
    answers.check_prompt_flags(prompt_flags)
    if len(text) > LONGEST_DEMONSTRATION:
        raise Invalid(
            _("Demonstration: %(length)d characters are too many; at most %(limit)d fit.")
            % {"length": len(text), "limit": LONGEST_DEMONSTRATION}
        )
