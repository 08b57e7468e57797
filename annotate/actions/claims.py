"""What claims of both kinds share: being handed out once, held under a lease, let go, taken up again.

Everyone locks in one order: the labeler, the prompt, the claim. So no two requests wait for each other.
"""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import TypeVar

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotate import sql
from annotate.actions import handing_out
from annotate.errors import Refused
from annotate.models import Campaign, ClaimState, Demonstration, Prompt, Ranking, User

C = TypeVar("C", Ranking, Demonstration)
HOLD = ["slot", "state", "lease_until"]
"""The fields that say whether and for how long a claim is held."""
CAMPAIGN = ("id", "labelers_per_prompt", "lease_minutes")
LOCK = """
SELECT prompt.id, campaign.id, labelers_per_prompt, lease_minutes
FROM annotate_prompt AS prompt JOIN annotate_campaign AS campaign ON campaign.id = campaign_id
WHERE prompt.id = %(prompt)s FOR NO KEY UPDATE OF prompt;
SELECT * FROM {claims} WHERE id = %(claim)s FOR UPDATE
"""


def claim_next(kind: type[C], campaign: Campaign, labeler: User, besides: int = 0) -> C | None:
    """Return what a labeler does next: their own unfinished claims first. None if nothing is left.

    `besides` is the id of what they work on now: then one more is claimed ahead, and never two.
    """
    # Taking a new one first, since it takes none from who has begun: mostly that is all there is to ask.
    claim = handing_out.take_next(kind, campaign, labeler, besides)
    return claim or go_on_with(kind, campaign, labeler, besides)


def go_on_with(
    kind: type[C], campaign: Campaign, labeler: User, besides: int = 0, *, is_review: bool = False
) -> C | None:
    """Return the first of their other claims that can go on, held again if it had lapsed."""
    held, lapsed = ClaimState.CLAIMED, ClaimState.EXPIRED
    own = kind._default_manager.filter(
        labeler=labeler, prompt__campaign=campaign, state__in=[held, lapsed], is_review=is_review
    )
    # In the alphabet too, "claimed" comes before "expired".
    for claim in own.exclude(pk=besides).select_related("prompt__campaign").order_by("state", "pk"):
        if claim.state == ClaimState.CLAIMED:
            return claim
        with suppress(Refused):
            return resume(claim)
    return None


@transaction.atomic
def resume(claim: C) -> C:
    """Take a claim up again; its draft is there. Raises Refused where others have filled its slots."""
    held = hold(claim)
    held.save(update_fields=HOLD)
    return held


def keep_open(claim: C) -> None:
    """Renew the lease of a claim that its labeler looks at.

    Raises:
        Refused: it had let go, and others have filled the prompt's slots since.
    """
    soon = timezone.now() + timedelta(minutes=claim.prompt.campaign.lease_minutes / 2)
    if claim.lease_until is None or claim.lease_until < soon:
        resume(claim)


def hold(claim: C) -> C:
    """Lock a claim in this transaction and renew its lease, which the caller saves.

    One that had let go takes a slot again; a submitted one stays as it is.

    Raises:
        Refused: it had let go, and others have filled the prompt's slots since.
    """
    locked = lock(claim)
    if locked.state != ClaimState.SUBMITTED:
        renew(locked)
        if locked.state != ClaimState.CLAIMED:
            raise lost()
    return locked


def lock(claim: C) -> C:
    """Lock a claim in this transaction, after its prompt, which whoever moves its slot does first."""
    kind = type(claim)
    values = {"prompt": claim.prompt_id, "claim": claim.pk}
    prompts, claims = sql.run(LOCK.format(claims=kind._meta.db_table), values)
    (locked,) = sql.instances(kind, claims)
    locked.prompt = Prompt.from_db(None, ("id", "campaign_id"), prompts.rows[0][:2])
    locked.prompt.campaign = Campaign.from_db(None, CAMPAIGN, prompts.rows[0][1:])
    return locked


def renew(locked: C) -> None:
    """Renew the lease; a claim that had let go takes a slot again, or is left as it is if none is free."""
    campaign = locked.prompt.campaign
    if locked.slot is None and locked.takes_slot:
        locked.slot = handing_out.free_slot(type(locked), locked.prompt_id, campaign)
    if locked.slot is not None or (not locked.takes_slot and not _is_reviewed_otherwise(locked)):
        locked.state, locked.lease_until = ClaimState.CLAIMED, lease(campaign)


def _is_reviewed_otherwise(locked: C) -> bool:
    return locked.is_review and is_reviewed(locked.prompt_id, besides=locked.pk)


def is_reviewed(prompt: int, besides: int = 0) -> bool:
    """Return whether another review of the prompt than `besides` is made or done; who asks holds its row."""
    held = [ClaimState.CLAIMED, ClaimState.SUBMITTED]
    reviews = Ranking.objects.filter(prompt=prompt, is_review=True, state__in=held)
    return reviews.exclude(pk=besides).exists()


def lost() -> Refused:
    return Refused(
        _("Your claim on this prompt ran out and others have answered it since. What you wrote is kept.")
    )


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


def lease(campaign: Campaign) -> datetime:
    return timezone.now() + timedelta(minutes=campaign.lease_minutes)
