"""The way out: rows as the wire formats and what is derived from them, streamed in constant memory.

Key order and row order are fixed, so equal rows give equal bytes. `id` names the prompt in every format:
the rankings of one prompt share it and differ by `labeler`, its demonstrations share it and differ by
`completion`. Where a file holds several campaigns, names that came with a prompt begin with its campaign's
number. Not in the formats, hence not exported: notes, the places completions were shown in, who wrote
a demonstration, a prompt's kind and use case, and how a completion was sampled.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

import orjson
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from annotate import dataset_sql
from annotate.derived import DERIVED
from annotate.models import Campaign, ClaimState, Demonstration, Prompt, Purpose, Ranking, Sampling

WIRE = {
    "rankings": dataset_sql.RANKINGS,
    "demonstrations": dataset_sql.DEMONSTRATIONS,
    "prompts": dataset_sql.PROMPTS,
}
KINDS = ("rankings", "comparisons", "unpaired", "rated", "demonstrations", "sft", "prompts")

# Two campaigns may have the same names. One that would become longer than an import takes gives way to ours.
BY_CAMPAIGN = """
CASE WHEN length(prompt.source_id) BETWEEN 1 AND 180 THEN concat(prompt.campaign_id, '/', prompt.source_id)
    ELSE '' END
"""

# Each id's rows are found through indexes, whatever the planner counted when the tables were empty: then it
# would read whole tables for each id.
BY_INDEX = "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off"

BATCH = 500
Query = tuple[str, tuple[Any, ...]]
Row = tuple[bytes, bytes, bytes]
"""A line without its newline, its split, its ranks."""


class Chosen(NamedTuple):
    """Which rows to write: for each kind of WIRE an SQL query of their ids, in order, with its parameters."""

    ids: dict[str, Query]
    written: str
    """SQL: which demonstrations (`written`) a ranking's line may show."""
    source_id: str = "prompt.source_id"
    """SQL: what names a `prompt` that came with a name; '' where it has none."""


class Batch(NamedTuple):
    """Lines of a wire format, each with its newline, and how many have which split and ranks ("1, 2, 2")."""

    lines: bytes
    counted: Counter[tuple[bytes, bytes]]


def lines(kind: str, chosen: Chosen) -> Iterator[bytes]:
    """Yield rows of one of KINDS as JSON Lines in UTF-8, each with its newline."""
    source = DERIVED[kind][0] if kind in DERIVED else kind
    return derive(kind, (line + b"\n" for line, _split, _ranks in _rows(source, chosen)))


def derive(kind: str, wire: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines of a kind from the wire format's lines that it is made of."""
    if kind not in DERIVED:
        yield from wire
        return
    _source, rows = DERIVED[kind]
    for line in wire:
        for row in rows(orjson.loads(line)):
            yield orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def batches(kind: str, chosen: Chosen) -> Iterator[Batch]:
    """Yield lines of one kind of WIRE; the connection can do nothing else until the last one."""
    yield from batched(_rows(kind, chosen))


def batched(rows: Iterator[Row]) -> Iterator[Batch]:
    while some := list(islice(rows, BATCH)):
        lines, splits, ranks = zip(*some, strict=True)
        yield Batch(b"\n".join((*lines, b"")), Counter(zip(splits, ranks, strict=True)))


def _rows(kind: str, chosen: Chosen) -> Iterator[Row]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(BY_INDEX)
        yield from read(cursor, kind, chosen)


def read(cursor: Any, kind: str, chosen: Chosen) -> Iterator[Row]:
    """Yield rows of one kind of WIRE by a cursor that is told to read BY_INDEX."""
    ids, params = chosen.ids[kind]
    statement = WIRE[kind].substitute(ids=ids, written=chosen.written, source_id=chosen.source_id)
    with cursor.copy(f"COPY ({statement}) TO STDOUT (FORMAT binary)", params) as copy:
        # Text in the binary form is its bytes.
        copy.set_types(["bytea", "bytea", "bytea"])
        yield from copy.rows()


def of_campaign(campaign: Campaign, *, only_reviews: bool = False, purpose: str = Purpose.DATA) -> Chosen:
    """Choose all prompts that a campaign has taken in, and what has been submitted so far.

    Args:
        only_reviews: as in `decided`; else reviews go out beside what they review.
        purpose: of which rankings. Those that checked labelers go out alone and only when asked for.
    """
    rows = rows_of(campaign, purpose)
    if only_reviews:
        rows["rankings"] = decided(rows["rankings"])
    # Hidden from the index of labelers' states, which the planner may prefer to the prompts' while it is new.
    return chosen(rows, written=f"written.state || '' = 'submitted'{_but(_held_out(campaign))}")


def decided(rankings: QuerySet[Any]) -> QuerySet[Any]:
    """Leave out what a review has decided anew: of a prompt that was reviewed, its review alone stays."""
    reviews = Ranking.objects.filter(prompt=OuterRef("prompt"), is_review=True, state=ClaimState.SUBMITTED)
    return rankings.filter(Q(is_review=True) | ~Exists(reviews))


def rows_of(campaign: Campaign, purpose: str = Purpose.DATA) -> dict[str, QuerySet[Any]]:
    """Return what of a campaign goes out, by kind of WIRE.

    Held-out labelers' answers are left out: they never train.
    """
    submitted = {"prompt__campaign": campaign, "state": ClaimState.SUBMITTED}
    held_out = _held_out(campaign)
    return {
        "rankings": Ranking.objects.filter(**submitted, purpose=purpose).exclude(labeler__in=held_out),
        "demonstrations": Demonstration.objects.filter(**submitted).exclude(labeler__in=held_out),
        "prompts": Prompt.objects.filter(campaign=campaign).exclude(sampling=Sampling.SET_ASIDE),
    }


def chosen(rows: Mapping[str, QuerySet[Any]], written: str) -> Chosen:
    """Choose these rows of each kind of WIRE, in the order in which they came in."""
    ids = {kind: rows[kind].order_by("pk").values("id").query.sql_with_params() for kind in WIRE}
    return Chosen(ids, written)


def _held_out(campaign: Campaign) -> list[int]:
    return list(campaign.held_out_labelers.values_list("pk", flat=True))


def _but(labelers: list[int]) -> str:
    """Return SQL that leaves the demonstrations of these labelers out."""
    ids = ", ".join(map(str, labelers))
    return f" AND (written.labeler_id IS NULL OR written.labeler_id NOT IN ({ids}))" if ids else ""
