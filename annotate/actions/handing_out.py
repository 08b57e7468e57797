"""Handing out: which prompt a labeler gets next, and the claim on it.

Who takes one holds the labeler's row, then the prompt's. The database lets each slot be taken once.
"""

from collections.abc import Callable
from typing import TypeVar

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from annotate.models import Campaign, ClaimState, Demonstration, Prompt, Ranking, User

C = TypeVar("C", Ranking, Demonstration)

# Where a prompt counts the slots that its claims hold.
HELD = {Ranking: "rankings_held", Demonstration: "demonstrations_held"}

# One statement instead of five, since the desk asks for it all day. Locking the prompt reads its row again,
# so one that was filled meanwhile is passed over; its slots are as they were before, so the lowest free one
# may turn out to be taken. Then nothing is inserted.
HAND_OUT = """
INSERT INTO {claims} (prompt_id, labeler_id, instructions_id, state, slot, lease_until, created_at,
    source_id, skip_kind, skip_reason, prompt_flags, {answer})
SELECT id, %s,
    (SELECT id FROM annotate_instructions WHERE campaign_id = %s ORDER BY version DESC LIMIT 1),
    %s,
    (SELECT min(free) FROM generate_series(0, %s) AS free
     WHERE free NOT IN (SELECT slot FROM {claims} WHERE prompt_id = prompt.id AND slot IS NOT NULL)),
    now() + make_interval(mins => %s), now(), '', '', '', '{{}}', ''
FROM ({prompt}) AS prompt (id)
ON CONFLICT DO NOTHING RETURNING id
"""


def open_prompts(
    kind: type[C], prompts: QuerySet[Prompt], campaign: Campaign, labeler: User
) -> QuerySet[Prompt]:
    """Return those prompts that this labeler may claim, the least covered first.

    A prompt needs a free slot and no claim or answer of the labeler's yet.
    """
    held = HELD[kind]
    own = kind.objects.filter(prompt=OuterRef("pk"), labeler=labeler)
    free = prompts.filter(~Exists(own), campaign=campaign, **{f"{held}__lt": slots(kind, campaign)})
    return free.order_by(held, "pk")


def slots(kind: type[C], campaign: Campaign) -> int:
    """Return how many answers a prompt gets: one demonstration, or the campaign's number of rankings."""
    return 1 if kind is Demonstration else campaign.labelers_per_prompt


def take(
    own: QuerySet[C],
    wanted: QuerySet[Prompt],
    campaign: Campaign,
    labeler: User,
    begin: Callable[[C], None] | None = None,
) -> C | None:
    """Return a new claim on the first wanted prompt; None if nothing is left, or where `own` has one already.

    Prompts that others wrote come first. `begin` completes a new claim in the same transaction.
    """
    # The second of two clicks waits for the first one's claim, and sees it.
    wanted = wanted.filter(~Exists(own))
    for author in (~Q(author=labeler), Q(author=labeler)):
        prompts = wanted.filter(author)
        # First past what others hold for a moment.
        if claim := _take_first(own.model, prompts, campaign, labeler, begin, skip_locked=True):
            return claim
        # Then wait for them, as one may let go; one by one, since who locks two could wait in a circle.
        while pk := prompts.values_list("pk", flat=True).first():
            held = prompts.filter(pk=pk)
            if claim := _take_first(own.model, held, campaign, labeler, begin, skip_locked=False):
                return claim
    return None


@transaction.atomic
def _take_first(
    kind: type[C],
    prompts: QuerySet[Prompt],
    campaign: Campaign,
    labeler: User,
    begin: Callable[[C], None] | None,
    *,
    skip_locked: bool,
) -> C | None:
    """Claim the first of these prompts. None: there is none, or its slot was taken in that moment."""
    locked = prompts.select_for_update(skip_locked=skip_locked, no_key=True, of=("self",))
    prompt, which = locked.values("pk")[:1].query.sql_with_params()
    answer = "notes" if kind is Ranking else "text"
    last_slot, minutes = slots(kind, campaign) - 1, campaign.lease_minutes
    values: list[int | str] = [labeler.pk, campaign.pk, ClaimState.CLAIMED, last_slot, minutes]
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM annotate_user WHERE id = %s FOR NO KEY UPDATE", [labeler.pk])
        statement = HAND_OUT.format(claims=kind._meta.db_table, answer=answer, prompt=prompt)
        cursor.execute(statement, values + list(which))
        row = cursor.fetchone()
    if row is None:
        return None
    claim = kind.objects.select_related("prompt", "instructions").get(pk=row[0])
    if begin:
        begin(claim)
    return claim
