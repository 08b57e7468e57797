"""Writing demonstrations: claiming a prompt that has none, keeping the draft, submitting it."""

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from annotate.actions import claims
from annotate.errors import Invalid, Refused
from annotate.models import Campaign, ClaimState, Demonstration, Prompt, Suggestion, User

LONGEST_DEMONSTRATION = 20_000
"""Characters."""


def wanted(campaign: Campaign, labeler: User) -> QuerySet[Prompt]:
    """Return the prompts without a demonstration that this labeler may claim."""
    return claims.open_prompts(Demonstration, Prompt.objects.all(), campaign, labeler)


def claim_next(campaign: Campaign, labeler: User) -> Demonstration | None:
    """Return what this labeler demonstrates next: unfinished work first. None if nothing is left."""
    own = Demonstration.objects.filter(labeler=labeler, prompt__campaign=campaign)
    unfinished = own.filter(state=ClaimState.CLAIMED)
    if demonstration := unfinished.first() or claims.resume_lapsed(own):
        return demonstration
    return claims.take(unfinished, wanted(campaign, labeler), campaign, labeler)


@transaction.atomic
def save_draft(
    demonstration: Demonstration, text: str, seconds: float | None, suggestion: Suggestion | None = None
) -> None:
    """Keep an unfinished text, with the suggestion that it began from, and renew the claim.

    Raises:
        Invalid: the text is too long; nothing is kept of it.
        Refused: it is submitted already, or the claim ran out and its slot is taken.
    """
    check_length(text)
    held = claims.hold(demonstration)
    if held.state == ClaimState.SUBMITTED:
        raise Refused(_("This is submitted. Changes count once you submit them again."))
    held.text, held.seconds, held.suggestion = text, seconds, suggestion
    held.save(update_fields=["text", "seconds", "suggestion"])


@transaction.atomic
def submit(
    demonstration: Demonstration, text: str, seconds: float | None, suggestion: Suggestion | None = None
) -> None:
    """Make a text count; the same text again changes nothing, another one replaces it until it is frozen.

    Raises:
        Invalid: the text is empty or too long.
        Refused: a snapshot has read it, or the claim ran out and its slot is taken.
    """
    check_length(text)
    if not text.strip():
        raise Invalid(_("Demonstration: write the completion that you would want to get."))
    held = claims.hold(demonstration)
    if held.state == ClaimState.SUBMITTED:
        if held.text == text.strip():
            return
        claims.refuse_frozen(held)
    held.text, held.suggestion = text.strip(), suggestion
    held.save(update_fields=["text", "suggestion"])
    claims.submit(held, seconds)


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


def check_length(text: str) -> None:
    if len(text) > LONGEST_DEMONSTRATION:
        raise Invalid(
            _("Demonstration: %(length)d characters are too many; at most %(limit)d fit.")
            % {"length": len(text), "limit": LONGEST_DEMONSTRATION}
        )
