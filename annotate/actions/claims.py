"""What claims of both kinds share: being handed out once, held under a lease, let go, skipped.

Everyone locks in one order: the labeler, the prompt, the claim. So no two requests wait for each other.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from annotate.errors import Invalid, Refused
from annotate.models import Campaign, ClaimState, Demonstration, Prompt, Ranking, User

C = TypeVar("C", Ranking, Demonstration)
LONGEST_REASON = 300
# Where a prompt counts the slots that its claims hold.
HELD = {Ranking: "rankings_held", Demonstration: "demonstrations_held"}


def open_prompts(
    kind: type[C], prompts: QuerySet[Prompt], campaign: Campaign, labeler: User
) -> QuerySet[Prompt]:
    """Return those prompts that this labeler may claim, the least covered first.

    A prompt needs a free slot and no claim or answer of the labeler's yet.
    """
    held = HELD[kind]
    own = kind.objects.filter(prompt=OuterRef("pk"), labeler=labeler)
    free = prompts.filter(~Exists(own), campaign=campaign, **{f"{held}__lt": slots(kind, campaign)})
    return free.order_by(held, "pk")


def slots(kind: type[C], campaign: Campaign) -> int:
    """Return how many answers a prompt gets: one demonstration, or the campaign's number of rankings."""
    return 1 if kind is Demonstration else campaign.labelers_per_prompt


def take(
    unfinished: QuerySet[C],
    wanted: QuerySet[Prompt],
    campaign: Campaign,
    labeler: User,
    begin: Callable[[C], None] | None = None,
) -> C | None:
    """Return the first unfinished claim, else a new one on the first wanted prompt; None if nothing is left.

    Prompts that others wrote come first. `begin` completes a new claim in the same transaction.
    """
    for prompts in (wanted.exclude(author=labeler), wanted.filter(author=labeler)):
        # First past what others hold for a moment.
        free = prompts.select_for_update(skip_locked=True, no_key=True, of=("self",))
        if claim := _take_first(unfinished, free, campaign, labeler, begin):
            return claim
        # Then wait for them, as one may let go; one by one, since who locks two could wait in a circle.
        while pk := prompts.values_list("pk", flat=True).first():
            held = prompts.filter(pk=pk).select_for_update(no_key=True, of=("self",))
            if claim := _take_first(unfinished, held, campaign, labeler, begin):
                return claim
    return None


@transaction.atomic
def _take_first(
    unfinished: QuerySet[C],
    candidates: QuerySet[Prompt],
    campaign: Campaign,
    labeler: User,
    begin: Callable[[C], None] | None,
) -> C | None:
    # Two clicks of one person come one after the other, so that the second finds the first one's claim.
    User.objects.select_for_update(no_key=True).only("pk").get(pk=labeler.pk)
    if claim := unfinished.all().first():
        return claim
    # Locking a row reads it again, so a prompt that was filled meanwhile is passed over.
    prompt = candidates.first()
    if prompt is None:
        return None
    claim = unfinished.model.objects.create(
        prompt=prompt,
        labeler=labeler,
        slot=_free_slot(unfinished.model, prompt, campaign),
        lease_until=_lease(campaign),
        instructions=campaign.instructions.first(),
    )
    if begin:
        begin(claim)
    return claim


def resume_lapsed(own: QuerySet[C]) -> C | None:
    """Claim again the first of these lapsed claims that still finds a slot; its draft is there."""
    for claim in own.filter(state=ClaimState.EXPIRED):
        try:
            with transaction.atomic():
                return hold(claim)
        except Refused:
            continue
    return None


def hold(claim: C) -> C:
    """Lock a claim in this transaction and renew its lease; one that had let go takes a slot again.

    Raises:
        Refused: it had let go, and others have filled the prompt's slots since.
    """
    kind = type(claim)
    campaign = lock_prompt(claim).campaign
    locked = kind.objects.select_for_update(of=("self",)).get(pk=claim.pk)
    if locked.state == ClaimState.SUBMITTED:
        return locked
    if locked.slot is None:
        locked.slot = _free_slot(kind, locked.prompt, campaign)
    if locked.slot is None:
        raise Refused(
            _("Your claim on this prompt ran out and others have answered it since. What you wrote is kept.")
        )
    locked.state, locked.lease_until = ClaimState.CLAIMED, _lease(campaign)
    locked.save(update_fields=["slot", "state", "lease_until"])
    return locked


def lock_prompt(claim: C) -> Prompt:
    """Lock a claim's prompt in this transaction, which whoever moves its slot does first."""
    prompts = Prompt.objects.select_for_update(no_key=True, of=("self",)).select_related("campaign")
    return prompts.get(pk=claim.prompt_id)


def submit(claim: C, seconds: float | None) -> None:
    """Turn a held claim into an answer; `seconds` is the time worked on it, where the browser counted."""
    now = timezone.now()
    elapsed = (now - claim.created_at).total_seconds()
    claim.seconds = elapsed if seconds is None else min(max(seconds, 0.0), elapsed)
    claim.state, claim.submitted_at, claim.lease_until = ClaimState.SUBMITTED, now, None
    claim.save(update_fields=["state", "submitted_at", "lease_until", "seconds"])


@transaction.atomic
def skip(claim: C, reason: str) -> None:
    """Let a prompt go to others, saying why; what was written stays with the claim."""
    if not reason.strip():
        raise Invalid(_("Reason: say in a few words why you skip this prompt."))
    if len(reason) > LONGEST_REASON:
        raise Invalid(_("Reason: at most %(limit)d characters.") % {"limit": LONGEST_REASON})
    lock_prompt(claim)
    skipped = type(claim).objects.filter(pk=claim.pk).exclude(state=ClaimState.SUBMITTED)
    if not skipped.update(state=ClaimState.SKIPPED, slot=None, lease_until=None, skip_reason=reason.strip()):
        raise Refused(_("You have submitted this already. Change your answer instead of skipping."))


def release_stale_claims() -> int:
    """Give the slots of claims whose lease ran out to others; drafts stay. Return how many there were."""
    return _release_stale(Ranking) + _release_stale(Demonstration)


@transaction.atomic
def _release_stale(kind: type[C]) -> int:
    stale = kind.objects.filter(state=ClaimState.CLAIMED, lease_until__lt=timezone.now())
    # Whoever holds the prompt may be renewing the lease: not now, then.
    prompts = Prompt.objects.filter(pk__in=stale.values("prompt")).order_by("pk")
    locked = prompts.select_for_update(skip_locked=True, no_key=True).values_list("pk", flat=True)
    return stale.filter(prompt__in=list(locked)).update(state=ClaimState.EXPIRED, slot=None, lease_until=None)


def refuse_frozen(claim: C) -> None:
    if claim.frozen_at is not None:
        raise Refused(
            _("This answer is part of a snapshot that runs learn from, so it cannot be changed any more.")
        )


def _free_slot(kind: type[C], prompt: Prompt, campaign: Campaign) -> int | None:
    taken = set(kind.objects.filter(prompt=prompt, slot__isnull=False).values_list("slot", flat=True))
    return next((slot for slot in range(slots(kind, campaign)) if slot not in taken), None)


def _lease(campaign: Campaign) -> datetime:
    return timezone.now() + timedelta(minutes=campaign.lease_minutes)
