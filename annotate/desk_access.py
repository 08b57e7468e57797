"""The desk's door: a claim of one's own, found all day long by statements of our own."""

from typing import Generic, NamedTuple, TypeVar

from django.http import Http404

from annotate import sql
from annotate.models import LETTERS, Campaign, Demonstration, Prompt, Ranking, User

C = TypeVar("C", Ranking, Demonstration)


class LookedAt(NamedTuple, Generic[C]):
    """A claim on somebody's screen, and whether they may still claim more where it is from."""

    claim: C
    may_go_on: bool


# In the model's own order, which from_db asks for.
CAMPAIGN = (
    "id",
    "name",
    "labelers_per_prompt",
    "is_open",
    "category_qualifications",
    "flags_left_out",
    "own_flags",
    "prompt_flags_left_out",
    "lease_minutes",
    "gold_percent",
    "repeat_percent",
    "repeat_after_items",
    "repeat_after_days",
)
# On the way to every item, and as a query to be built it would be a tenth of its cost.
LOOKED_AT = """
SELECT claim.id, claim.prompt_id, claim.state, claim.lease_until,
    campaign.id, campaign.name, labelers_per_prompt, is_open, category_qualifications,
    flags_left_out, own_flags, prompt_flags_left_out, lease_minutes,
    gold_percent, repeat_percent, repeat_after_items, repeat_after_days,
    is_open AND (qualification = '' OR qualification = ANY (%(qualifications)s::text[]))
        AND EXISTS (SELECT FROM {labelers} WHERE campaign_id = campaign.id AND user_id = %(user)s)
FROM {claims} AS claim
JOIN annotate_prompt AS prompt ON prompt.id = claim.prompt_id
JOIN annotate_campaign AS campaign ON campaign.id = prompt.campaign_id
WHERE claim.id = %(claim)s AND claim.labeler_id = %(user)s
"""
ANSWERED = """
SELECT *, (SELECT count(*) FROM annotate_rankedcompletion WHERE ranking_id = ranking.id) AS k
FROM annotate_ranking AS ranking WHERE id = %s AND labeler_id = %s
"""


def answered_ranking(user: User, pk: int) -> Ranking:
    """Return a ranking to whoever sends its answer: the row, with how many outputs it has."""
    (found,) = sql.run(ANSWERED, [pk, user.pk])
    for ranking, row in zip(sql.instances(Ranking, found), found.rows, strict=True):
        ranking.letters = LETTERS[: row[found.names.index("k")]]
        return ranking
    raise Http404


def looked_at(kind: type[C], user: User, pk: int) -> LookedAt[C]:
    """Return a claim of this person's own, with what claiming the next one asks of its campaign."""
    names = {"claims": kind._meta.db_table, "labelers": Campaign.labelers.through._meta.db_table}
    values = {"claim": pk, "user": user.pk, "qualifications": user.qualifications}
    row = sql.one(LOOKED_AT.format(**names), values)
    if row is None:
        raise Http404
    claim = kind.from_db(None, ("id", "prompt_id", "state", "lease_until"), row[:4])
    claim.prompt = Prompt.from_db(None, ("id", "campaign_id"), (row[1], row[4]))
    claim.prompt.campaign = Campaign.from_db(None, CAMPAIGN, row[4:-1])
    return LookedAt(claim, row[-1])
