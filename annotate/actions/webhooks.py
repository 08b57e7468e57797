"""Writing webhooks: setting one up, changing it, and finding what it is to be told.

What happened stands in the rows of runs, snapshots, promotions and rankings; a delivery is made for each that
has none yet. So nothing that a worker or the broker lost is untold, and nothing is told twice.
"""

import secrets
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Exists, Max, OuterRef
from django.utils import timezone
from django.utils.translation import gettext as _

from annotate import outside
from annotate.actions.audit import record
from annotate.actions.deliveries import secret_of
from annotate.errors import Invalid, Refused
from annotate.models import (
    Campaign,
    ClaimState,
    Delivery,
    Event,
    Promotion,
    Prompt,
    Purpose,
    Ranking,
    Run,
    RunState,
    Sampling,
    Snapshot,
    User,
    Webhook,
)

LOOK_BACK = timedelta(days=7)
"""How long a stop of everything may last before what happened during it is not told any more."""
MOST_WEBHOOKS = 10


class Happened(NamedTuple):
    """One thing to tell: of which row, when, and what."""

    event: Event
    noun_id: int
    at: datetime
    data: dict[str, Any]


def add_webhook(campaign: Campaign, actor: User, url: str, events: Sequence[str]) -> tuple[Webhook, str]:
    """Return a new webhook and its secret, which is shown once.

    Raises:
        Invalid: no event is chosen, or the address is not on the public internet.
        Refused: the campaign has too many.
    """
    _refuse_bad(url, events)
    if campaign.webhooks.count() >= MOST_WEBHOOKS:
        raise Refused(_("A campaign has at most %(limit)d webhooks; remove one.") % {"limit": MOST_WEBHOOKS})
    with transaction.atomic():
        webhook = Webhook.objects.create(
            campaign=campaign,
            url=url,
            events=_in_order(events),
            salt=secrets.token_urlsafe(32),
            created_by=actor,
        )
        record(actor, "created", webhook, url=url, events=webhook.events)
    return webhook, secret_of(webhook)


def change_webhook(
    webhook: Webhook,
    actor: User,
    *,
    url: str | None = None,
    events: Sequence[str] | None = None,
    is_active: bool | None = None,
) -> None:
    """Change what is said: where a webhook goes, what it is told, whether it is paused. Its secret stays.

    Raises:
        Invalid: no event is chosen, or the address is not on the public internet.
    """
    address = webhook.url if url is None else url
    told = webhook.events if events is None else events
    said: dict[str, Any] = {"url": address, "events": _in_order(told)}
    said["is_active"] = webhook.is_active if is_active is None else is_active
    changed = {name: value for name, value in said.items() if value != getattr(webhook, name)}
    if changed.keys() & {"url", "events"}:
        _refuse_bad(address, told)
    if not changed:
        return
    again = {"failed_in_a_row": 0} if changed.get("is_active") else {}
    with transaction.atomic():
        Webhook.objects.filter(pk=webhook.pk).update(**changed, **again)
        record(actor, "changed", webhook, **changed)


def _refuse_bad(url: str, events: Sequence[str]) -> None:
    if not events or set(events) - set(Event.values):
        raise Invalid(_("Events: choose what it is told."))
    if len(url) > 500:
        raise Invalid(_("Address: at most %(limit)d characters.") % {"limit": 500})
    outside.check(url)


def _in_order(events: Sequence[str]) -> list[str]:
    return [event for event in Event.values if event in events]


def remove_webhook(webhook: Webhook, actor: User) -> None:
    """Remove a webhook and its log of deliveries."""
    with transaction.atomic():
        record(actor, "removed", webhook, url=webhook.url)
        webhook.delete()


def find_untold() -> int:
    """Add a delivery for each thing that happened and a webhook was not told of; return how many."""
    found = 0
    for webhook in Webhook.objects.filter(is_active=True).select_related("campaign"):
        for happened in untold(webhook):
            _delivery, is_new = Delivery.objects.get_or_create(
                webhook=webhook,
                event=happened.event,
                noun_id=happened.noun_id,
                happened_at=happened.at,
                defaults={"payload": payload(happened), "due_at": timezone.now()},
            )
            found += is_new
    return found


def payload(happened: Happened) -> dict[str, Any]:
    return {"type": happened.event, "timestamp": happened.at.isoformat(), "data": happened.data}


def untold(webhook: Webhook) -> Iterator[Happened]:
    """Yield what has happened in the webhook's campaign since it is there, and was not told."""
    since = max(webhook.created_at, timezone.now() - LOOK_BACK)
    if Event.RUN_FINISHED in webhook.events:
        yield from _ended_runs(webhook, since, Event.RUN_FINISHED, RunState.SUCCEEDED)
    if Event.RUN_FAILED in webhook.events:
        yield from _ended_runs(webhook, since, Event.RUN_FAILED, RunState.FAILED)
    if Event.SNAPSHOT_TAKEN in webhook.events:
        yield from _snapshots(webhook, since)
    if Event.CHECKPOINT_PROMOTED in webhook.events:
        yield from _promotions(webhook, since)
    if Event.GOAL_REACHED in webhook.events:
        yield from _goal(webhook)


def _told(webhook: Webhook, event: Event, moment: str) -> Exists:
    told = Delivery.objects.filter(webhook=webhook, event=event)
    return Exists(told.filter(noun_id=OuterRef("pk"), happened_at=OuterRef(moment)))


def _ended_runs(webhook: Webhook, since: datetime, event: Event, state: RunState) -> Iterator[Happened]:
    runs = Run.objects.filter(campaign=webhook.campaign, state=state, finished_at__gte=since)
    for run in runs.exclude(_told(webhook, event, "finished_at")):
        assert run.finished_at is not None, "the database lets no run end without its time"
        data = {"campaign": webhook.campaign_id, "run": run.pk, "stage": run.stage, "reason": run.reason}
        data |= {"checkpoint": run.checkpoint_id}
        yield Happened(event, run.pk, run.finished_at, data)


def _snapshots(webhook: Webhook, since: datetime) -> Iterator[Happened]:
    snapshots = Snapshot.objects.filter(campaign=webhook.campaign, created_at__gte=since)
    for row in snapshots.exclude(_told(webhook, Event.SNAPSHOT_TAKEN, "created_at")):
        data = {"campaign": webhook.campaign_id, "snapshot": row.pk, "sha256": row.sha256}
        yield Happened(Event.SNAPSHOT_TAKEN, row.pk, row.created_at, data)


def _promotions(webhook: Webhook, since: datetime) -> Iterator[Happened]:
    promotions = Promotion.objects.filter(campaign=webhook.campaign, created_at__gte=since)
    for row in promotions.exclude(_told(webhook, Event.CHECKPOINT_PROMOTED, "created_at")):
        data = {"campaign": webhook.campaign_id, "checkpoint": row.policy_id, "reason": row.reason}
        yield Happened(Event.CHECKPOINT_PROMOTED, row.pk, row.created_at, data)


def _goal(webhook: Webhook) -> Iterator[Happened]:
    """Yield that every sampled prompt has all its rankings; once, until there are more prompts."""
    prompts = Prompt.objects.filter(campaign=webhook.campaign, sampling=Sampling.SAMPLED)
    last = prompts.aggregate(last=Max("pk"))["last"]
    told = Delivery.objects.filter(webhook=webhook, event=Event.GOAL_REACHED, noun_id=last or 0)
    if last is None or told.exists():
        return
    lacking = prompts.filter(rankings_held__lt=webhook.campaign.labelers_per_prompt)
    claimed = {"prompt__campaign": webhook.campaign, "state": ClaimState.CLAIMED, "is_review": False}
    held = Ranking.objects.filter(**claimed, purpose=Purpose.DATA)
    if not lacking.exists() and not held.exists():
        data = {"campaign": webhook.campaign_id, "last_prompt": last}
        yield Happened(Event.GOAL_REACHED, last, timezone.now(), data)
