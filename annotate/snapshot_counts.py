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
# All that is counted at once: joining a million rows takes longer than counting them.
COUNTS = """
SELECT prompt.source, prompt.category, prompt.language, {by_whom}, count(*)
FROM {chosen} GROUP BY 1, 2, 3, 4, 5
"""
BY_WHOM = {
    "rankings": "answer.labeler_id, answer.instructions_id",
    "demonstrations": "answer.labeler_id, answer.instructions_id",
    "prompts": "NULL, NULL",
}


def counts(kind: str) -> dict[str, Any]:
    """Return how many rows of a kind are chosen by what their prompts say; of answers also by whom.

    "" is what nobody says. Labelers are numbers alone: how many each of them gave, the most first.
    """
    sources, categories, languages = Counter[str](), Counter[str](), Counter[str]()
    labelers, versions = Counter[int | None](), Counter[int | None]()
    counters: tuple[Counter[Any], ...] = (sources, categories, languages, labelers, versions)
    (result,) = sql.run(COUNTS.format(chosen=CHOSEN[kind], by_whom=BY_WHOM[kind]), {})
    for *said, count in result.rows:
        for counter, name in zip(counters, said, strict=True):
            counter[name] += count
    about = {"sources": sources, "categories": categories, "languages": languages}
    told: dict[str, Any] = {name: dict(counter.most_common()) for name, counter in about.items()}
    return told if kind == "prompts" else told | _by_whom(labelers, versions)


def _by_whom(labelers: Counter[int | None], versions: Counter[int | None]) -> dict[str, Any]:
    named = Instructions.objects.select_related("campaign").in_bulk([pk for pk in versions if pk])
    labelers.pop(None, None)
    return {
        "labelers": len(labelers),
        "by_labeler": sorted(labelers.values(), reverse=True),
        "instructions": {str(named[pk]) if pk else "": count for pk, count in versions.most_common()},
    }
