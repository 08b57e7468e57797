"""Writing deliveries: an event sent to a webhook, signed, and tried again until it is taken."""

import base64
import hashlib
import hmac
import json
from datetime import datetime, timedelta
from http.client import HTTPException
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from annotate import outside
from annotate.actions.audit import record
from annotate.errors import Invalid, Refused
from annotate.jobs import ring_webhook
from annotate.models import MOST_FAILED, Delivery, DeliveryState, User, Webhook

PAUSES = [timedelta(seconds=5), *(timedelta(minutes=minutes) for minutes in (5, 30, 120, 300, 600, 840))]
"""Before each next try; after the last one a delivery is given up. Standard Webhooks' own example."""


def secret_of(webhook: Webhook) -> str:
    """Return the secret that signs a webhook's messages, as Standard Webhooks writes it."""
    return "whsec_" + base64.b64encode(_key(webhook)).decode()


def _key(webhook: Webhook) -> bytes:
    return salted_hmac("annotate.webhooks", webhook.salt, algorithm="sha256").digest()


def signed(webhook: Webhook, name: str, body: bytes, now: datetime) -> dict[str, str]:
    """Return the headers that say who sends the message and when (Standard Webhooks 1.0)."""
    time = str(int(now.timestamp()))
    digest = hmac.new(_key(webhook), f"{name}.{time}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": name,
        "webhook-timestamp": time,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
        "Content-Type": "application/json",
        "User-Agent": "Podium",
    }


def ring_for_due() -> None:
    """Ring for each delivery whose time has come; a bell too many does no harm."""
    due = Delivery.objects.filter(
        state=DeliveryState.WAITING, due_at__lte=timezone.now(), webhook__is_active=True
    )
    for pk in due.order_by("due_at").values_list("pk", flat=True)[:200]:
        ring_webhook(pk)


def deliver(pk: int) -> None:
    """Send a delivery whose time has come, and write down how that went."""
    now = timezone.now()
    is_active = Exists(Webhook.objects.filter(pk=OuterRef("webhook"), is_active=True))
    due = Delivery.objects.filter(is_active, pk=pk, state=DeliveryState.WAITING, due_at__lte=now)
    # Taken for a minute: nobody else sends it meanwhile, and a worker that dies is followed by another.
    if not due.update(attempts=F("attempts") + 1, due_at=now + timedelta(minutes=1)):
        return
    delivery = Delivery.objects.select_related("webhook").get(pk=pk)
    body = json.dumps(delivery.payload, ensure_ascii=False).encode()
    headers = signed(delivery.webhook, f"msg_{delivery.pk}", body, now)
    try:
        status = outside.post(delivery.webhook.url, body, headers)
    except (OSError, HTTPException, Invalid) as error:
        _try_later(delivery, None, str(error) or type(error).__name__)
        return
    if 200 <= status < 300:
        _mine(delivery).update(
            state=DeliveryState.DELIVERED, status=status, error="", delivered_at=timezone.now(), due_at=None
        )
        Webhook.objects.filter(pk=delivery.webhook_id, failed_in_a_row__gt=0).update(failed_in_a_row=0)
    else:
        _try_later(delivery, status, "")


def _try_later(delivery: Delivery, status: int | None, error: str) -> None:
    is_given_up = delivery.attempts > len(PAUSES)
    if is_given_up:
        said: dict[str, Any] = {"state": DeliveryState.FAILED, "due_at": None}
    else:
        said = {"due_at": timezone.now() + PAUSES[delivery.attempts - 1]}
    with transaction.atomic():
        if _mine(delivery).update(status=status, error=error[:300], **said) and is_given_up:
            _count_given_up(delivery.webhook)


def _count_given_up(webhook: Webhook) -> None:
    """Count a delivery that is given up; a webhook that takes none any more is paused."""
    row = Webhook.objects.filter(pk=webhook.pk)
    row.update(failed_in_a_row=F("failed_in_a_row") + 1)
    if row.filter(failed_in_a_row__gte=MOST_FAILED, is_active=True).update(is_active=False):
        record(None, "changed", webhook, is_active=False)


def _mine(delivery: Delivery) -> QuerySet[Delivery]:
    """Return the row while it is this attempt's."""
    return Delivery.objects.filter(pk=delivery.pk, attempts=delivery.attempts)


def redeliver(delivery: Delivery, actor: User) -> None:
    """Send a delivery once more, with the same id, whatever came of it before.

    Raises:
        Refused: its webhook is paused.
    """
    if not delivery.webhook.is_active:
        raise Refused(_("The webhook is paused. Resume it first; what waits is sent then."))
    with transaction.atomic():
        Delivery.objects.filter(pk=delivery.pk).update(
            state=DeliveryState.WAITING, attempts=0, due_at=timezone.now(), error="", status=None
        )
        record(actor, "redelivered", delivery, event=delivery.event)
        ring_webhook(delivery.pk)
