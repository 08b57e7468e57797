"""A page of many rows, newest first, found by key: neither counted nor passed over one by one."""

from typing import Generic, NamedTuple, TypeVar

from django.db.models import Model, QuerySet
from django.http import QueryDict

M = TypeVar("M", bound=Model)


class Page(NamedTuple, Generic[M]):
    rows: list[M]
    newer: int | None
    """The key that the rows of the page before come after; None on the first page."""
    older: int | None
    """The key that the rows of the next page come before; None on the last page."""


def page_of(rows: QuerySet[M], size: int, asked: QueryDict) -> Page[M]:
    """Return the page that ?before=KEY or ?after=KEY asks for, else the first one."""
    before, after = (_key(asked.get(name, "")) for name in ("before", "after"))
    if after is not None:
        found = list(rows.filter(pk__gt=after).order_by("pk")[: size + 1])
        shown, is_newer, is_older = found[:size][::-1], len(found) > size, True
    else:
        older = rows.order_by("-pk") if before is None else rows.filter(pk__lt=before).order_by("-pk")
        found = list(older[: size + 1])
        shown, is_newer, is_older = found[:size], before is not None, len(found) > size
    if not shown:
        return Page([], None, None)
    return Page(shown, shown[0].pk if is_newer else None, shown[-1].pk if is_older else None)


def _key(text: str) -> int | None:
    """Return a key, None for what is none: no key has more digits than a bigint."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None
