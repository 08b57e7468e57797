"""Handing out: which prompt a labeler gets next, and the claim on it.

Who takes one holds the labeler's row, then the prompt's. The database lets each slot be taken once.
"""

import json
from functools import cache
from typing import Any, TypeVar, cast

from annotate import sql
from annotate.models import UNKNOWN_LANGUAGE, Campaign, Demonstration, Prompt, Purpose, Ranking, User

C = TypeVar("C", Ranking, Demonstration)

# Where a prompt counts the slots that its claims hold, and what makes it ready to be claimed.
HELD = {Ranking: "rankings_held", Demonstration: "demonstrations_held"}
READY = {Ranking: "AND prompt.sampling = 'sampled'", Demonstration: "AND prompt.sampling <> 'set_aside'"}
# What lets a claim go on whose lease ran out: a free slot, or that it holds none.
REGAINABLE = {
    Ranking: "(own.purpose <> 'data' OR prompt.rankings_held < %(slots)s)",
    Demonstration: "prompt.demonstrations_held < %(slots)s",
}
# Nobody is given their own prompt to rank, though they may ask for it; to demonstrate, others' come first.
OTHERS, OWN = "prompt.author_id IS DISTINCT FROM %(labeler)s", "prompt.author_id = %(labeler)s"
GIVEN = {Ranking: (OTHERS,), Demonstration: (OTHERS, OWN)}

# What a labeler is not given: what they do not read (a prompt without a language waits for beat to name it),
# and what asks for a qualification that they lack.
FIT = """
(%(languages)s::text[] IS NULL OR prompt.language = ANY (%(languages)s))
AND prompt.category <> ALL (%(closed)s::text[])
"""

# A prompt is open to a labeler while it has a free slot and no claim or answer of theirs yet.
OPEN = f"""
SELECT prompt.id FROM annotate_prompt AS prompt
WHERE prompt.campaign_id = %(campaign)s AND prompt.{{held}} < %(slots)s {{ready}} AND {FIT} AND NOT EXISTS
    (SELECT FROM {{claims}} AS own WHERE own.prompt_id = prompt.id AND own.labeler_id = %(labeler)s)
"""  # noqa: S608 - constants
# What they can go on with: what they hold, and what lapsed while a slot is free.
BEGUN = """
SELECT own.prompt_id FROM {claims} AS own JOIN annotate_prompt AS prompt ON prompt.id = own.prompt_id
WHERE own.labeler_id = %(labeler)s AND own.state IN ('claimed', 'expired') AND own.id <> %(besides)s
    AND NOT own.is_review
    AND prompt.campaign_id = %(campaign)s AND (own.state = 'claimed' OR {regainable})
"""
MOST_LEFT = 1000
"""No more are counted: of a million open prompts, nobody does all."""
LEFT = f"SELECT count(*) FROM (({OPEN} AND ({{given}}) LIMIT {MOST_LEFT}) UNION {BEGUN}) AS prompts"  # noqa: S608 - constants
FIRST = "ORDER BY prompt.{held}, prompt.id LIMIT 1"
LOCK_PROMPT = "FOR NO KEY UPDATE OF prompt"

FREE_SLOT = """
(SELECT min(free) FROM generate_series(0, %(slots)s - 1) AS free WHERE free NOT IN
    (SELECT slot FROM {claims} WHERE prompt_id = prompt.id AND slot IS NOT NULL))
"""

# The second of two clicks waits for the first one's claim, and sees it.
LOCK_LABELER = "SELECT FROM annotate_user WHERE id = %(labeler)s FOR NO KEY UPDATE;"
# Locking the prompt reads its row again, so one that was filled meanwhile is passed over; its slots are as
# they were before, so the lowest free one may turn out to be taken. Then nothing is inserted.
CLAIM = """
WITH prompt AS MATERIALIZED ({prompt}),
claim AS (
    INSERT INTO {claims} (prompt_id, labeler_id, instructions_id, state, slot, lease_until, created_at,
        source_id, skip_kind, skip_reason, prompt_flags, {columns})
    SELECT id, %(labeler)s,
        (SELECT id FROM annotate_instructions WHERE campaign_id = %(campaign)s ORDER BY version DESC LIMIT 1),
        'claimed',
        {free},
        now() + make_interval(mins => %(minutes)s), now(), '', '', '', '{{}}', {values}
    FROM prompt ON CONFLICT DO NOTHING RETURNING *
){shown}
"""
# Fix the order in which this labeler sees the completions, and bring what they will read.
SHOWN_IN_RANDOM_ORDER = """,
shown AS (
    INSERT INTO annotate_rankedcompletion (ranking_id, completion_id, place, flags, notes)
    SELECT claim.id, completion.id, row_number() OVER (ORDER BY random()) - 1, '{}', ''
    FROM claim JOIN annotate_completion AS completion ON completion.prompt_id = claim.prompt_id
    RETURNING place, completion_id
)
SELECT claim.*, prompt.campaign_id, prompt.messages,
    (SELECT array_agg(text ORDER BY shown.place) FROM shown JOIN annotate_completion ON id = completion_id)
        AS texts
FROM claim JOIN annotate_prompt AS prompt ON prompt.id = claim.prompt_id
"""


def slots(kind: type[C], campaign: Campaign) -> int:
    """Return how many answers a prompt gets: the campaign's number; unless it screens, one demonstration."""
    return campaign.labelers_per_prompt if kind is Ranking or campaign.is_screening else 1


def free_slot(kind: type[C], prompt: int, campaign: Campaign) -> int | None:
    """Return the lowest slot that nobody holds of the prompt with this id, None if all are taken."""
    statement = f"SELECT {FREE_SLOT} FROM annotate_prompt AS prompt WHERE id = %(prompt)s"  # noqa: S608
    row = sql.one(_named(kind, statement), {"prompt": prompt, "slots": slots(kind, campaign)})
    assert row is not None, "no prompt is deleted while it is claimed"
    return cast("int | None", row[0])


def left(kind: type[C], campaign: Campaign, labeler: User) -> int:
    """Return how many prompts a labeler can still answer: open ones, at most MOST_LEFT, and begun ones."""
    # One statement: what is claimed ahead at this moment is then counted once.
    row = sql.one(_named(kind, LEFT), values(kind, campaign, labeler))
    assert row is not None, "a count is always one row"
    return int(row[0])


def take_next(kind: type[C], campaign: Campaign, labeler: User, besides: int = 0) -> C | None:
    """Return a claim on the least covered open prompt; None if there is none, or they have begun another one.

    `besides` is the id of one that they may have begun.
    """
    given = values(kind, campaign, labeler) | {"besides": besides}
    return _take(kind, f"AND NOT EXISTS ({BEGUN})", given, GIVEN[kind])


def take(kind: type[C], prompt: int, campaign: Campaign, labeler: User) -> C | None:
    """Return a claim on the prompt with this id; None if it is not open to this labeler."""
    given = values(kind, campaign, labeler) | {"prompt": prompt}
    return _take(kind, "AND prompt.id = %(prompt)s", given, (OTHERS, OWN))


def _take(kind: type[C], narrowed: str, given: dict[str, Any], whose_first: tuple[str, ...]) -> C | None:
    for whose in whose_first:
        wanted = f"{OPEN} {narrowed} AND {whose}"
        # First past what others hold for a moment.
        if taken := claim(kind, f"{wanted} {FIRST} {LOCK_PROMPT} SKIP LOCKED", given):
            return taken
        # Then wait for them, as one may let go; one by one, since who locks two could wait in a circle.
        while first := sql.one(_named(kind, f"{wanted} {FIRST}"), given):
            held = f"{wanted} AND prompt.id = %(held)s"
            if taken := claim(kind, f"{held} {FIRST} {LOCK_PROMPT}", given | {"held": first[0]}):
                return taken
    return None


def claim(kind: type[C], prompt: str, given: dict[str, Any], purpose: str = Purpose.DATA) -> C | None:
    """Return a claim on the one prompt that a query finds; None if it finds none."""
    _locked, claimed = sql.run(_claiming(kind, prompt, purpose), given)
    for made, row in zip(sql.instances(kind, claimed), claimed.rows, strict=True):
        if isinstance(made, Ranking):
            _bring(made, dict(zip(claimed.names, row, strict=True)))
        return made
    return None


def _bring(ranking: Ranking, row: dict[str, Any]) -> None:
    """Put what the page shows of a new ranking where it would be asked for."""
    prompt = (ranking.prompt_id, row["campaign_id"], json.loads(row["messages"]))
    ranking.prompt = Prompt.from_db(None, ("id", "campaign_id", "messages"), prompt)
    ranking.texts = row["texts"]


@cache
def _claiming(kind: type[C], prompt: str, purpose: str) -> str:
    parts = {"columns": "text", "values": "''", "shown": "SELECT * FROM claim"}
    if kind is Ranking:
        parts = {"columns": "notes, purpose", "values": f"'', '{purpose}'", "shown": SHOWN_IN_RANDOM_ORDER}
    free = _named(kind, FREE_SLOT) if purpose == Purpose.DATA else "NULL"
    claims = kind._meta.db_table
    return LOCK_LABELER + CLAIM.format(prompt=_named(kind, prompt), claims=claims, free=free, **parts)


@cache
def _named(kind: type[C], statement: str) -> str:
    return statement.format(
        claims=kind._meta.db_table,
        held=HELD[kind],
        ready=READY[kind],
        regainable=REGAINABLE[kind],
        given=" OR ".join(GIVEN[kind]),
    )


def values(kind: type[C], campaign: Campaign, labeler: User) -> dict[str, Any]:
    """Return what the queries of prompts ask of the labeler and the campaign."""
    return {
        "campaign": campaign.pk,
        "labeler": labeler.pk,
        "slots": slots(kind, campaign),
        "minutes": campaign.lease_minutes,
        "languages": [*labeler.languages, UNKNOWN_LANGUAGE] if labeler.languages else None,
        "closed": campaign.closed_categories(labeler.qualifications),
        "besides": 0,
    }
