"""What a data card says of the rows that are chosen for a snapshot, beyond counts; asked while they are.

Agreement and lengths are measured on rows drawn evenly, by a hash of their ids: of a million rankings that
takes a second, and the same rows give the same figures.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations, groupby
from typing import Any

from annotate import sql
from annotate.agreement import compared, signs
from annotate.figures import Figure, Tally, of_prompt, share, together
from annotate.lengths import histogram, lengths
from annotate.models import Campaign, ClaimState, Demonstration, Instructions, Ranking

DRAWN = 10_000
LONGEST_INSTRUCTIONS = 4000
AGREEMENT = """
WITH drawn AS (
    SELECT prompt_id FROM chosen_rankings JOIN annotate_ranking USING (id) WHERE labeler_id IS NOT NULL
    GROUP BY prompt_id HAVING count(*) > 1 ORDER BY hashint8(prompt_id) LIMIT %(drawn)s
)
SELECT ranking.prompt_id, array_agg(one.rank ORDER BY one.completion_id)
FROM drawn JOIN annotate_ranking AS ranking USING (prompt_id) JOIN chosen_rankings USING (id)
JOIN annotate_rankedcompletion AS one ON one.ranking_id = ranking.id
WHERE ranking.labeler_id IS NOT NULL GROUP BY ranking.prompt_id, ranking.id ORDER BY ranking.prompt_id
"""
LENGTHS = {
    "prompts": """
SELECT (SELECT coalesce(sum(length(message ->> 'content')), 0) FROM jsonb_array_elements(messages) AS message)
FROM ({drawn}) AS drawn JOIN annotate_prompt USING (id)
""",
    "demonstrations": "SELECT length(text) FROM ({drawn}) AS drawn JOIN annotate_demonstration USING (id)",
    "completions": """
SELECT length(completion.text) FROM ({drawn}) AS drawn
JOIN annotate_rankedcompletion AS one ON one.ranking_id = drawn.id
JOIN annotate_completion AS completion ON completion.id = one.completion_id
""",
}


def facts(campaigns: Sequence[Campaign], versions: dict[str, int]) -> dict[str, Any]:
    """Return the card's facts as JSON.

    Args:
        versions: answers by the instructions they were given under, as a manifest counts them.
    """
    seen = {kind: _lengths_of(kind) for kind in LENGTHS}
    measured = {kind: lengths(counts) for kind, counts in seen.items()}
    return {
        "agreement": asdict(agreement()),
        "lengths": {kind: figures._asdict() for kind, figures in measured.items() if figures},
        "histogram": histogram({kind: counts for kind, counts in seen.items() if counts}),
        "held_out": _held_out(campaigns),
        "instructions": _instructions(campaigns, versions),
    }


def agreement() -> Figure:
    """Return how far the chosen rankings agree, prompt by prompt, ties left out (agreement.py)."""
    tally = Tally()
    for _prompt, rows in groupby(_rows(AGREEMENT, {"drawn": DRAWN}), lambda row: row[0]):
        found = [compared(one, other) for one, other in combinations([signs(ranks) for _, ranks in rows], 2)]
        if decided := sum(each.decided_by_both for each in found):
            tally = together(tally, of_prompt(sum(each.alike for each in found), decided))
    return share(tally)


def _lengths_of(kind: str) -> Counter[int]:
    kind_chosen = "rankings" if kind == "completions" else kind
    drawn = f"SELECT id FROM chosen_{kind_chosen} ORDER BY hashint8(id) LIMIT %(drawn)s"  # noqa: S608 - of LENGTHS
    return Counter(int(length) for (length,) in _rows(LENGTHS[kind].format(drawn=drawn), {"drawn": DRAWN}))


def _held_out(campaigns: Sequence[Campaign]) -> dict[str, int]:
    """Return how many held-out labelers there are, and how many answers of theirs are left out."""
    labelers: set[int] = set()
    answers = 0
    for campaign in campaigns:
        held_out = list(campaign.held_out_labelers.values_list("pk", flat=True))
        labelers |= set(held_out)
        for model in (Ranking, Demonstration) if held_out else ():
            rows = model._default_manager.filter(labeler__in=held_out, state=ClaimState.SUBMITTED)
            answers += rows.filter(prompt__campaign=campaign).count()
    return {"labelers": len(labelers), "answers": answers}


def _instructions(campaigns: Sequence[Campaign], versions: dict[str, int]) -> list[dict[str, Any]]:
    rows = Instructions.objects.filter(campaign__in=campaigns).select_related("campaign")
    return [
        {"name": str(row), "answers": versions[str(row)], "text": row.text[:LONGEST_INSTRUCTIONS]}
        for row in rows.order_by("campaign", "version")
        if str(row) in versions
    ]


def _rows(statement: str, values: dict[str, Any]) -> list[sql.Row]:
    (result,) = sql.run(statement, values)
    return result.rows
