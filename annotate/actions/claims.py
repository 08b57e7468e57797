"""What claims of both kinds share: being handed out once, held under a lease, let go, skipped.

Everyone locks in one order: the labeler, the prompt, the claim. So no two requests wait for each other.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from django.db import transaction
from django.db.models import Case, Count, Exists, IntegerField, OuterRef, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _

from annotate.errors import Invalid, Refused
from annotate.models import Campaign, ClaimState, Demonstration, Prompt, Ranking, User

C = TypeVar("C", Ranking, Demonstration)
LONGEST_REASON = 300


def open_prompts(
    kind: type[C], prompts: QuerySet[Prompt], campaign: Campaign, labeler: User
) -> QuerySet[Prompt]:
    """Return those prompts that this labeler may claim, in the order they are handed out.

    A prompt needs a free slot and no claim or answer of the labeler's yet. Prompts of others come first,
    then the least covered.
    """
    taken = kind.objects.filter(prompt=OuterRef("pk"), slot__isnull=False).order_by()
    count = taken.values("prompt").annotate(count=Count("pk")).values("count")
    own = kind.objects.filter(prompt=OuterRef("pk"), labeler=labeler)
    return (
        prompts.filter(~Exists(own), campaign=campaign)
        .annotate(
            covered=Coalesce(Subquery(count, output_field=IntegerField()), 0),
            is_own=Case(When(author=labeler, then=Value(1)), default=Value(0)),
        )
        .filter(covered__lt=slots(kind, campaign))
        .order_by("is_own", "covered", "pk")
    )


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

    `begin` completes a new claim in the same transaction.
    """
    # First past what others hold for a moment; then, if that found nothing, wait for them: one may let go.
    for is_patient in (False, True):
        full: list[int] = []
        while True:
            left = wanted.exclude(pk__in=full)
            candidates = left.select_for_update(skip_locked=not is_patient, no_key=True, of=("self",))
            claim, prompt = _take_first(unfinished, candidates, campaign, labeler, begin)
            if claim is not None:
                return claim
            if prompt is None:
                break
            full.append(prompt.pk)
    return None


@transaction.atomic
def _take_first(
    unfinished: QuerySet[C],
    candidates: QuerySet[Prompt],
    campaign: Campaign,
    labeler: User,
    begin: Callable[[C], None] | None,
) -> tuple[C | None, Prompt | None]:
    """Lock the first candidate and claim it; without a claim, the prompt turned out to be full."""
    # Two clicks of one person come one after the other, so that the second finds the first one's claim.
    User.objects.select_for_update(no_key=True).get(pk=labeler.pk)
    if claim := unfinished.all().first():
        return claim, None
    prompt = candidates.first()
    if prompt is None:
        return None, None
    # Read after the lock: the candidates were counted before it.
    kind = unfinished.model
    slot = _free_slot(kind, prompt, campaign)
    if slot is None or kind.objects.filter(prompt=prompt, labeler=labeler).exists():
        return None, prompt
    lease, instructions = _lease(campaign), campaign.instructions.first()
    claim = kind.objects.create(
        prompt=prompt, labeler=labeler, slot=slot, lease_until=lease, instructions=instructions
    )
    if begin:
        begin(claim)
    return claim, prompt


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
    prompt = Prompt.objects.select_for_update(no_key=True, of=("self",)).select_related("campaign")
    campaign = prompt.get(pk=claim.prompt_id).campaign
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
    skipped = type(claim).objects.filter(pk=claim.pk).exclude(state=ClaimState.SUBMITTED)
    if not skipped.update(state=ClaimState.SKIPPED, slot=None, lease_until=None, skip_reason=reason.strip()):
        raise Refused(_("You have submitted this already. Change your answer instead of skipping."))


def release_stale_claims() -> int:
    """Give the slots of claims whose lease ran out to others; drafts stay. Return how many there were."""
    released = 0
    for kind in (Ranking, Demonstration):
        stale = kind.objects.filter(state=ClaimState.CLAIMED, lease_until__lt=timezone.now())
        released += stale.update(state=ClaimState.EXPIRED, slot=None, lease_until=None)
    return released


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
