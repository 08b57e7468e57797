"""What a snapshot's manifest counts of the rows that are chosen for it, asked while they are."""

from collections import Counter
from typing import Any

from annotate import sql
from annotate.models import Instructions

_ANSWERED = (
    "JOIN annotate_{table} AS answer USING (id) JOIN annotate_prompt AS prompt ON prompt.id = prompt_id"
)
CHOSEN = {
    "rankings": "chosen_rankings " + _ANSWERED.format(table="ranking"),
    "demonstrations": "chosen_demonstrations " + _ANSWERED.format(table="demonstration"),
    "prompts": "chosen_prompts JOIN annotate_prompt AS prompt USING (id)",
}
ABOUT = "SELECT prompt.source, prompt.category, prompt.language, count(*) FROM {chosen} GROUP BY 1, 2, 3"
BY_WHOM = "SELECT answer.labeler_id, answer.instructions_id, count(*) FROM {chosen} GROUP BY 1, 2"


def counts(kind: str) -> dict[str, Any]:
    """Return how many rows of a kind are chosen by what their prompts say; of answers also by whom.

    "" is what nobody says. Labelers are numbers alone: how many each of them gave, the most first.
    """
    about: dict[str, Counter[str]] = {"sources": Counter(), "categories": Counter(), "languages": Counter()}
    for *said, count in _rows(ABOUT, kind):
        for counter, name in zip(about.values(), said, strict=True):
            counter[name] += count
    told: dict[str, Any] = {name: dict(counter.most_common()) for name, counter in about.items()}
    return told if kind == "prompts" else told | _by_whom(kind)


def _by_whom(kind: str) -> dict[str, Any]:
    labelers: Counter[int | None] = Counter()
    versions: Counter[int | None] = Counter()
    for labeler, version, count in _rows(BY_WHOM, kind):
        labelers[labeler] += count
        versions[version] += count
    named = Instructions.objects.select_related("campaign").in_bulk([pk for pk in versions if pk])
    labelers.pop(None, None)
    return {
        "labelers": len(labelers),
        "by_labeler": sorted(labelers.values(), reverse=True),
        "instructions": {str(named[pk]) if pk else "": count for pk, count in versions.most_common()},
    }


def _rows(statement: str, kind: str) -> list[sql.Row]:
    (result,) = sql.run(statement.format(chosen=CHOSEN[kind]), {})
    return result.rows
