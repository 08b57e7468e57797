"""Writing the sampling of prompts: who holds a prompt, what was sampled, how it ended.

A prompt goes QUEUED -> RUNNING (held under a lease) -> SAMPLED or FAILED. A worker that dies leaves its
lease to run out; the prompt is then taken again, and only the completions it lacks are asked for.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import accumulate

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from annotate.actions.audit import record
from annotate.errors import Refused
from annotate.jobs import ring_sampler
from annotate.models import (
    Campaign,
    Checkpoint,
    Completion,
    EngineStatus,
    Promotion,
    Prompt,
    Sampling,
    User,
    sampled_policies,
)

LEASE = timedelta(seconds=60)
MAX_ATTEMPTS = 3
BATCH = 8
"""Prompts a claim: enough to keep an engine busy, few enough for other campaigns to get their turn."""
MIXED_BATCH = 64
"""The same where several policies answer: between two of them the engine starts anew."""
SPREAD = (5**0.5 - 1) / 2
"""The golden ratio's fraction: its multiples, taken modulo 1, fill the unit evenly (Knuth, volume 3, 6.4)."""
MAX_PLACES = 16
"""Seeds set aside for each prompt; K is 9 at most."""


def claim_batch(after_campaign: int = 0) -> list[Prompt]:
    """Take some queued prompts of one campaign, and return them with their campaign loaded.

    Campaigns take turns: the next one after the campaign served last. Prompts that people have just
    written come before those from files. Nobody else gets the same rows (SKIP LOCKED).
    """
    for campaign in campaigns_in_turn(after_campaign):
        with transaction.atomic():
            rows = Prompt.objects.select_for_update(skip_locked=True, of=("self",)).select_related("campaign")
            queued = rows.filter(campaign=campaign, sampling=Sampling.QUEUED)
            size = MIXED_BATCH if campaign.policy_shares.exists() else BATCH
            batch: list[Prompt] = list(
                queued.annotate(is_imported=~Q(source_id="")).order_by("is_imported", "id")[:size]
            )
            Prompt.objects.filter(pk__in=[prompt.pk for prompt in batch]).update(
                sampling=Sampling.RUNNING,
                sampling_reason="",
                sampling_attempts=F("sampling_attempts") + 1,
                sampling_lease_until=timezone.now() + LEASE,
            )
        if batch:
            return batch
    return []


def campaigns_in_turn(after_campaign: int) -> list[Campaign]:
    """Return the campaigns with waiting prompts and a policy, the one after the given id first."""
    waiting = Prompt.objects.filter(campaign=OuterRef("pk"), sampling=Sampling.QUEUED)
    promoted = Promotion.objects.filter(campaign=OuterRef("pk"))
    campaigns = Campaign.objects.filter(Exists(waiting), Exists(promoted)).order_by("pk")
    return sorted(campaigns, key=lambda campaign: (campaign.pk <= after_campaign, campaign.pk))


def missing_places(prompt: Prompt) -> list[int]:
    """Return the places, of the campaign's K, that have no completion yet."""
    there = set(prompt.completions.values_list("place", flat=True))
    return [place for place in range(prompt.campaign.k) if place not in there]


def missing_by_policy(prompts: Sequence[Prompt]) -> dict[Checkpoint, list[tuple[Prompt, list[int]]]]:
    """Return what prompts of one campaign lack: for each policy the prompts, with the places it answers."""
    policies = sampled_policies(prompts[0].campaign) if prompts else []
    found: dict[Checkpoint, list[tuple[Prompt, list[int]]]] = {policy: [] for policy, _percent in policies}
    for prompt in prompts:
        mix = mixed([percent for _policy, percent in policies], prompt.campaign.k, prompt.pk * SPREAD % 1)
        missing = missing_places(prompt)
        for number, (policy, _percent) in enumerate(policies):
            if places := [place for place in missing if mix[place] == number]:
                found[policy].append((prompt, places))
    return {policy: lacking for policy, lacking in found.items() if lacking}


def mixed(percents: Sequence[int], k: int, offset: float) -> list[int]:
    """Return which of some policies answers each of K places, by their percents.

    Places are drawn at equal distances (systematic sampling, Cochran 1977, chapter 8), so a prompt has each
    policy as often as its share says, rounded up or down; by `offset`, 0 to 1, rounding differs.

    >>> mixed([50, 25, 25], 4, 0.3), mixed([90, 10], 4, 0.3), mixed([90, 10], 4, 0.7)
    ([0, 0, 1, 2], [0, 0, 0, 0], [0, 0, 0, 1])
    """
    ends = list(accumulate(percents))
    return [bisect_right(ends, (place + offset) * ends[-1] / k) for place in range(k)]


def seed_of(prompt: Prompt, place: int) -> int:
    """Return the seed of one completion: the same in every attempt, consecutive over places."""
    return (prompt.pk * MAX_PLACES + place) % 2**31


def renew_leases(prompts: Sequence[Prompt]) -> None:
    """Keep holding prompts that are being sampled."""
    _running(prompts).update(sampling_lease_until=timezone.now() + LEASE)


def store_completion(
    prompt: Prompt,
    place: int,
    *,
    policy: Checkpoint,
    text: str,
    token_count: int,
    finish_reason: str,
    engine: str,
) -> None:
    """Store one completion as it arrives, and end the prompt's sampling with its last one.

    Where another worker has stored that place before, that completion stays.
    """
    Completion.objects.bulk_create(
        [
            Completion(
                prompt=prompt,
                policy=policy,
                place=place,
                # PostgreSQL's text cannot hold NUL, which a model can say.
                text=text.replace("\x00", ""),
                seed=seed_of(prompt, place),
                temperature=prompt.campaign.temperature,
                token_count=token_count,
                finish_reason=finish_reason,
                engine=engine[:100],
            )
        ],
        ignore_conflicts=True,
    )
    finish_if_whole(prompt)


def finish_if_whole(prompt: Prompt) -> bool:
    """Mark a prompt SAMPLED once all its completions are there."""
    if missing_places(prompt):
        return False
    ended = _running([prompt]).update(
        sampling=Sampling.SAMPLED, sampling_lease_until=None, sampling_reason=""
    )
    return ended == 1


def fail_prompt(prompt: Prompt, reason: str) -> None:
    """End a prompt's sampling for a reason that trying again would not change."""
    _running([prompt]).update(sampling=Sampling.FAILED, sampling_lease_until=None, sampling_reason=reason)


def give_back(prompts: Sequence[Prompt]) -> None:
    """Put held prompts back in the queue unblamed: the worker is stopping."""
    _running(prompts).update(
        sampling=Sampling.QUEUED,
        sampling_lease_until=None,
        sampling_attempts=F("sampling_attempts") - 1,
    )


def put_back(prompts: Sequence[Prompt], reason: str) -> None:
    """Queue held prompts again after a failed attempt; at the third they FAIL with the reason."""
    _queue_again(_running(prompts), reason)


def release_lost() -> int:
    """Queue prompts again whose worker let the lease run out; return how many were found."""
    lost = Prompt.objects.filter(sampling=Sampling.RUNNING, sampling_lease_until__lt=timezone.now())
    return _queue_again(lost, _("The sampling worker stopped in the middle."))


def explain_waiting() -> None:
    """Say on prompts that wait in a campaign without a policy what they wait for."""
    words = _("This campaign has no policy yet; sampling begins once a researcher promotes one.")
    unpromoted = ~Exists(Promotion.objects.filter(campaign=OuterRef("campaign")))
    waiting = Prompt.objects.filter(unpromoted, sampling=Sampling.QUEUED)
    waiting.exclude(sampling_reason=words).update(sampling_reason=words)


def is_anything_waiting() -> bool:
    return bool(campaigns_in_turn(0))


def retry(prompt: Prompt, actor: User) -> None:
    """Queue a prompt whose sampling failed once more. Raises Refused if it did not fail."""
    with transaction.atomic():
        if not _retry(Prompt.objects.filter(pk=prompt.pk)):
            raise Refused(_("Only a prompt whose sampling failed can be tried again."))
        record(actor, "retried sampling", prompt)


def retry_failed(campaign: Campaign, actor: User) -> int:
    """Queue all prompts of a campaign whose sampling failed once more; return how many."""
    with transaction.atomic():
        count = _retry(Prompt.objects.filter(campaign=campaign))
        record(actor, "retried sampling", campaign, prompts=count)
    return count


def report_engine(worker: str, engine: str, reason: str) -> None:
    """Keep what a worker samples with, and why it is not vLLM where it is not."""
    EngineStatus.objects.update_or_create(
        worker=worker[:200], defaults={"engine": engine[:100], "reason": reason[:500]}
    )


def _running(prompts: Iterable[Prompt]) -> QuerySet[Prompt]:
    return Prompt.objects.filter(pk__in=[prompt.pk for prompt in prompts], sampling=Sampling.RUNNING)


def _retry(prompts: QuerySet[Prompt]) -> int:
    failed = prompts.filter(sampling=Sampling.FAILED)
    count = failed.update(sampling=Sampling.QUEUED, sampling_reason="", sampling_attempts=0)
    ring_sampler()
    return count


def _queue_again(prompts: QuerySet[Prompt], reason: str) -> int:
    failed = prompts.filter(sampling_attempts__gte=MAX_ATTEMPTS).update(
        sampling=Sampling.FAILED, sampling_lease_until=None, sampling_reason=reason
    )
    queued = prompts.update(sampling=Sampling.QUEUED, sampling_lease_until=None, sampling_reason=reason)
    return failed + queued
