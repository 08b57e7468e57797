"""How often one policy's completions are ranked above another's, by the same labelers on the same prompts."""

from dataclasses import dataclass

from annotate import sql
from annotate.figures import Figure, Tally, share
from annotate.models import Campaign, Checkpoint

# Per prompt first, as a prompt is one draw; a tie is half a win. Reviews and hidden checks are not counted.
COMPARED = """
WITH of_prompt AS (
    SELECT ranking.prompt_id, chosen.policy_id AS one, rejected.policy_id AS other, count(*) AS seen,
        sum(CASE WHEN a.rank < b.rank THEN 1.0 WHEN a.rank = b.rank THEN 0.5 ELSE 0 END)::float AS hits
    FROM annotate_prompt AS prompt
    JOIN annotate_ranking AS ranking ON ranking.prompt_id = prompt.id AND ranking.state = 'submitted'
        AND ranking.purpose = 'data' AND NOT ranking.is_review
    JOIN annotate_rankedcompletion AS a ON a.ranking_id = ranking.id
    JOIN annotate_completion AS chosen ON chosen.id = a.completion_id
    JOIN annotate_rankedcompletion AS b ON b.ranking_id = ranking.id
    JOIN annotate_completion AS rejected ON rejected.id = b.completion_id
        AND rejected.policy_id > chosen.policy_id
    WHERE prompt.campaign_id = %(campaign)s
    GROUP BY 1, 2, 3
)
SELECT one, other, count(*), sum(seen)::bigint, sum(hits), sum(seen * seen)::bigint, sum(hits * hits),
    sum(hits * seen)
FROM of_prompt GROUP BY 1, 2 ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class WinRate:
    """How often completions of `winner` are ranked above those of `loser`, the one with the smaller share."""

    winner: str
    loser: str
    share: Figure


@dataclass(frozen=True, slots=True)
class WinRates:
    pairs: list[WinRate]


def win_rates(campaign: Campaign) -> WinRates:
    """Return each pair of policies that were ranked against each other, the newest first."""
    (found,) = sql.run(COMPARED, {"campaign": campaign.pk})
    ids = {pk for row in found.rows for pk in row[:2]}
    names = dict(Checkpoint.objects.filter(pk__in=ids).values_list("pk", "name"))
    pairs = [_pair(names[row[0]], names[row[1]], Tally(*row[2:])) for row in reversed(found.rows)]
    return WinRates(pairs)


def _pair(one: str, other: str, tally: Tally) -> WinRate:
    if 2 * tally.hits >= tally.seen:
        return WinRate(one, other, share(tally))
    lost = tally.seen_squared - 2 * tally.hits_times_seen + tally.hits_squared
    turned = tally._replace(
        hits=tally.seen - tally.hits,
        hits_squared=lost,
        hits_times_seen=tally.seen_squared - tally.hits_times_seen,
    )
    return WinRate(other, one, share(turned))
