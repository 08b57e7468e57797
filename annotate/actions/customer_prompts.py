"""Adding the prompts of a product's customers, each with the notice of use that its customer was shown."""

import json
from collections.abc import Sequence
from datetime import datetime
from io import BytesIO
from typing import NamedTuple
from uuid import uuid4

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotate.actions.imports import import_file
from annotate.actions.prompts import Messages, check_messages
from annotate.errors import Invalid
from annotate.models import Campaign, Notice, Prompt, Source, User

CUSTOMER = "customer:"
"""Before a customer's name: nobody who signs in has such a name, so a product can impersonate no one."""


class CustomerPrompt(NamedTuple):
    """What a product says of one prompt of a customer's."""

    messages: Messages
    customer: str
    notice_version: str
    notice_shown_at: datetime
    id: str = ""
    """The product's own id: the same one twice adds one prompt. Empty: a new one."""
    category: str = ""
    language: str = ""


def add_customer_prompts(campaign: Campaign, actor: User, given: Sequence[CustomerPrompt]) -> list[Prompt]:
    """Add all of these prompts or none, by the way that imported files come in; return them in this order.

    Raises:
        Invalid: a prompt is empty, too long, or here already with other words; the message says which.
    """
    for number, one in enumerate(given, start=1):
        _check(campaign, number, one)
    ids = [one.id or f"api-{uuid4().hex}" for one in given]
    lines = b"".join(_line(name, one) for name, one in zip(ids, given, strict=True))
    with transaction.atomic():
        import_file("prompts", BytesIO(lines), campaign, actor)
        rows = Prompt.objects.filter(campaign=campaign, source_id__in=ids).select_related("author")
        added = {prompt.source_id: prompt for prompt in rows}
        Notice.objects.bulk_create(
            [
                Notice(
                    prompt=added[name],
                    version=one.notice_version,
                    shown_at=one.notice_shown_at,
                    recorded_by=actor,
                )
                for name, one in zip(ids, given, strict=True)
            ],
            # A prompt sent again keeps the notice that it came with.
            ignore_conflicts=True,
        )
    return [added[name] for name in ids]


def _check(campaign: Campaign, number: int, one: CustomerPrompt) -> None:
    if one.notice_shown_at > timezone.now():
        words = _("Prompt %(number)d: notice.shown_at: it lies ahead; say when the customer saw the notice.")
        raise Invalid(words % {"number": number})
    try:
        check_messages(campaign, one.messages)
    except Invalid as error:
        words = _("Prompt %(number)d: %(problem)s")
        raise Invalid(words % {"number": number, "problem": error}) from error


def _line(name: str, one: CustomerPrompt) -> bytes:
    """Return the prompt as a line of the wire format."""
    row = {"id": name, "prompt": one.messages, "source": Source.CUSTOMER, "author": CUSTOMER + one.customer}
    row |= {"category": one.category} if one.category else {}
    row |= {"language": one.language} if one.language else {}
    return json.dumps(row).encode() + b"\n"
