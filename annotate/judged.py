"""A campaign's submitted rankings as the agreement report reads them: one query, streamed."""

from collections.abc import Iterator
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import CharField, F, Func, QuerySet, TextField, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import MD5, Cast, Length

from annotate.agreement_report import Judged, Report, report
from annotate.models import Campaign, ClaimState, Flag, GoldItem, Purpose, Ranking

RANKINGS_AT_A_TIME = 2000
RANKED = "ranked_completions__"


def agreement(campaign: Campaign) -> Report:
    return report(judged(campaign), [*Flag.values, *(name for name, _help in campaign.listed_own_flags)])


def judged(campaign: Campaign) -> Iterator[Judged]:
    """Yield each submitted ranking but reviews, prompts that ask the same after one another."""
    submitted = {"prompt__campaign": campaign, "state": ClaimState.SUBMITTED, "is_review": False}
    rankings = Ranking.objects.filter(**submitted)
    gold = dict(GoldItem.objects.filter(prompt__campaign=campaign).values_list("prompt", "ranks"))
    held_out = set(campaign.held_out_labelers.values_list("username", flat=True))
    return (_judged(row, held_out, gold) for row in _rows(rankings).iterator(RANKINGS_AT_A_TIME))


def _judged(row: dict[str, Any], held_out: set[str], gold: dict[int, list[int]]) -> Judged:
    return Judged(
        words=row["words"],
        prompt=row["prompt_id"],
        labeler=row["labeler__username"] or "",
        category=row["prompt__category"],
        submitted_at=row["submitted_at"].timestamp(),
        seconds=row["seconds"],
        ranks=row["ranks"],
        ratings=row["ratings"],
        flags=[flags.split("\n") if flags else [] for flags in row["flags"]],
        # Of a ranking from a file nobody knows in which order its completions were shown.
        places=None if row["source_id"] else row["places"],
        lengths=row["lengths"],
        texts=row["texts"],
        is_held_out=row["labeler__username"] in held_out,
        is_data=row["purpose"] == Purpose.DATA,
        gold=gold.get(row["prompt_id"]) if row["purpose"] == Purpose.GOLD else None,
    )


def _rows(rankings: QuerySet[Ranking]) -> QuerySet[Ranking, Any]:
    """Return one row a ranking, its completions as arrays: half the time of one row a completion."""
    about = (
        "prompt_id",
        "labeler__username",
        "prompt__category",
        "submitted_at",
        "seconds",
        "source_id",
        "purpose",
    )
    text = RANKED + "completion__text"
    # An array of arrays must be a rectangle, so the flags of a completion come as one text.
    flags = Func(RANKED + "flags", Value("\n"), function="array_to_string", output_field=CharField())
    rows: QuerySet[Ranking, Any] = (
        rankings.annotate(words=MD5(Cast("prompt__messages", TextField())))
        .values("words", "pk", *about)
        .annotate(
            ranks=_array(F(RANKED + "rank")),
            ratings=_array(F(RANKED + "rating")),
            flags=_array(flags),
            places=_array(F(RANKED + "place")),
            lengths=_array(Length(text)),
            texts=_array(MD5(text)),
        )
        .order_by("words", "prompt_id", "pk")
    )
    return rows


def _array(column: Combinable) -> ArrayAgg:
    """Return a column of the ranked completions, in the order in which the prompt has them."""
    return ArrayAgg(column, order_by=RANKED + "completion__place")
