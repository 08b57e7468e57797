"""The rankings and demonstrations of a file's rows: found, compared with what the file says, added."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

import orjson
from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from annotate import sql
from annotate.actions.bulk import copy_in, next_keys
from annotate.actions.imported_names import Names
from annotate.actions.imported_prompts import KnownPrompt, KnownRanking
from annotate.errors import Invalid
from annotate.models import ClaimState, Demonstration, RankedCompletion, Ranking
from annotate.wire import Row

ABOUT = ("prompt_id", "source_id", "state", "slot", "submitted_at")
_FIND_RANKINGS = """
SELECT wanted.id, (SELECT json_agg(json_build_array(id, labeler_id, state, slot, created_at >= %(began_at)s)
    ORDER BY id)::text FROM annotate_ranking WHERE prompt_id = wanted.id AND purpose = 'data')
FROM unnest(%(prompts)s::bigint[]) AS wanted (id)
"""


class NewRanking(NamedTuple):
    row: Row
    prompt: KnownPrompt
    labeler: int | None
    slot: int


class NewDemonstration(NamedTuple):
    row: Row
    prompt: KnownPrompt
    slot: int


def find_rankings(prompts: dict[int, KnownPrompt], began_at: datetime) -> None:
    """Fill in the rankings of prompts that are here, and the first slots after them."""
    (found,) = sql.run(_FIND_RANKINGS, {"prompts": list(prompts), "began_at": began_at})
    for prompt, rankings in found.rows:
        known = prompts[prompt]
        for pk, labeler, state, slot, is_from_this_file in orjson.loads(rankings or "[]"):
            known.rankings[labeler] = KnownRanking(pk, state, is_from_this_file)
            if slot is not None:
                known.next_ranking_slot = max(known.next_ranking_slot, slot + 1)


def find_demonstrations(prompts: dict[int, KnownPrompt]) -> None:
    """Fill in the submitted demonstrations of prompts that are here, and the first slots after them."""
    rows = Demonstration.objects.filter(prompt__in=prompts, state=ClaimState.SUBMITTED).order_by("-pk")
    for prompt, text, created_at in rows.values_list("prompt_id", "text", "created_at"):
        prompts[prompt].demonstrations[text] = created_at
    held = Demonstration.objects.filter(prompt__in=prompts, slot__isnull=False).order_by()
    for prompt, slot in held.values_list("prompt").annotate(last=Max("slot")):
        prompts[prompt].next_demonstration_slot = slot + 1


def judged_again(prompts: dict[str, KnownPrompt], rows: Sequence[Row], names: Names) -> list[KnownRanking]:
    """Return the rankings that are here by the same labelers as the rows'."""
    labeled = [(prompts[row.id], row.labeler) for row in rows if row.id in prompts]
    found = (prompt.rankings.get(names.users[name].pk if name else None) for prompt, name in labeled)
    return [one for one in found if one is not None]


def ranks_of(rankings: Iterable[KnownRanking]) -> dict[int, list[int | None]]:
    """Return each ranking's ranks in the order of its completions."""
    ranked = RankedCompletion.objects.filter(ranking__in=[one.pk for one in rankings]).order_by()
    ranks = ArrayAgg("rank", order_by="completion__place")
    return dict(ranked.values_list("ranking").annotate(ranks=ranks))


def check_ranking(row: Row, ranking: KnownRanking | None, ranks: dict[int, list[int | None]]) -> None:
    """Raise Invalid when the ranking contradicts the row, or comes from an earlier line of the file."""
    if ranking is None or ranking.is_from_this_file:
        refuse_repeat(row)
        return
    words = {"id": row.id, "labeler": row.labeler or _("nobody named")}
    if ranking.state != ClaimState.SUBMITTED:
        problem = _("%(labeler)s has begun to rank %(id)s here; import it when that is done.")
        raise Invalid(problem % words)
    if ranks[ranking.pk] != row.ranks:
        problem = _("the ranking of %(id)s by %(labeler)s is here already with other ranks.")
        raise Invalid(problem % words)


def refuse_repeat(row: Row) -> None:
    problem = _("%(id)s stands on an earlier line already, by the same labeler or with the same text.")
    raise Invalid(problem % {"id": row.id})


def add_rankings(new: Sequence[NewRanking], names: Names) -> None:
    now = timezone.now()
    keys = next_keys(Ranking, len(new))
    rankings = (
        (key, one.labeler, one.row.seconds, one.prompt.pk, one.row.id, ClaimState.SUBMITTED, one.slot, now)
        for key, one in zip(keys, new, strict=True)
    )
    copy_in(Ranking, ("id", "labeler_id", "seconds", *ABOUT), rankings)
    ranked = (line for key, one in zip(keys, new, strict=True) for line in _ranked(key, one))
    columns = ("ranking_id", "completion_id", "place", "rank", "rating", "flags")
    copy_in(RankedCompletion, columns, ranked)


def _ranked(key: int, new: NewRanking) -> list[tuple[object, ...]]:
    """Nobody knows in which order they were shown, so the places are the file's."""
    row = new.row
    return [
        (
            key,
            completion.pk,
            place,
            row.ranks[place],
            row.ratings[place] if row.ratings else None,
            f"{{{','.join(row.flags[place])}}}" if row.flags else "{}",
        )
        for place, completion in enumerate(new.prompt.completions)
    ]


def add_demonstrations(new: Sequence[NewDemonstration]) -> None:
    now = timezone.now()
    rows = (
        (one.row.demonstration, one.prompt.pk, one.row.id, ClaimState.SUBMITTED, one.slot, now) for one in new
    )
    copy_in(Demonstration, ("text", *ABOUT), rows)
