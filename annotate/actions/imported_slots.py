"""The slots of an import's answers: counted once a prompt in the end, while the triggers let them be."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from annotate.actions.bulk import next_keys
from annotate.models import Campaign, Demonstration, Ranking

ANSWERS: dict[str, type[Ranking] | type[Demonstration]] = {
    "ranking": Ranking,
    "demonstration": Demonstration,
}
# Only what this import adds has a larger key, a name in a file, and this campaign, which it has locked.
# The sum keeps the planner, which believes a new campaign to be empty, from reading it all for each prompt.
_COUNT = """
UPDATE annotate_prompt AS prompt SET {noun}s_held = {noun}s_held + added.count
FROM (SELECT prompt_id, count(*) FROM annotate_{noun} WHERE id > %s AND source_id <> ''
    GROUP BY prompt_id) AS added
WHERE prompt.id = added.prompt_id AND prompt.campaign_id + 0 = %s
"""


@contextmanager
def counted_at_the_end(campaign: Campaign) -> Iterator[None]:
    """Count the slots of the answers that the block adds from a file, within one transaction.

    Row by row, the triggers wrote each prompt anew for each of its answers: a fifth of an import.
    """
    before = {noun: next_keys(answers, 1)[0] for noun, answers in ANSWERS.items()}
    _set_triggers(count=False)
    yield
    with connection.cursor() as cursor:
        for noun, key in before.items():
            cursor.execute(_COUNT.format(noun=noun), [key, campaign.pk])
    _set_triggers(count=True)


def _set_triggers(*, count: bool) -> None:
    """Migration 0013's triggers ask for this; a rollback takes it back too."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('podium.slots_wait', %s, true)", ["" if count else "yes"])
