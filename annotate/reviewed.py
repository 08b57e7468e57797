"""Questions about reviews: which prompts wait for one, what was said of a prompt; nothing here writes."""

from typing import NamedTuple

from annotate import sql
from annotate.models import Campaign, ClaimState, Purpose, RankedCompletion, Ranking, User

MOST_WAITING = 50
MOST_TO_REVIEW = 1000
"""How many are looked for: where nearly all agree, finding the next one reads many prompts."""

# Of two labelers' comparisons that both decide, the share made alike, as annotate/agreement.py has it. The
# order is the index's, so that the first ones are found without a look at the rest.
WAITING = """
SELECT prompt.id, prompt.messages -> -1 ->> 'content', said.alike, said.is_asked
FROM annotate_prompt AS prompt
CROSS JOIN LATERAL (
    SELECT (SELECT avg((sign(a.rank - b.rank) = sign(c.rank - d.rank))::integer)::float
        FROM annotate_ranking AS one
        JOIN annotate_ranking AS other ON other.prompt_id = one.prompt_id AND other.id > one.id
            AND other.state = 'submitted' AND NOT other.is_review AND other.purpose = 'data'
        JOIN annotate_rankedcompletion AS a ON a.ranking_id = one.id
        JOIN annotate_rankedcompletion AS b ON b.ranking_id = one.id
            AND b.completion_id > a.completion_id AND b.rank <> a.rank
        JOIN annotate_rankedcompletion AS c ON c.ranking_id = other.id AND c.completion_id = a.completion_id
        JOIN annotate_rankedcompletion AS d ON d.ranking_id = other.id AND d.completion_id = b.completion_id
            AND d.rank <> c.rank
        WHERE one.prompt_id = prompt.id AND one.state = 'submitted' AND NOT one.is_review
            AND one.purpose = 'data') AS alike,
    EXISTS (SELECT FROM annotate_ranking AS one
        WHERE one.prompt_id = prompt.id AND one.asks_review AND one.state = 'submitted') AS is_asked
) AS said
WHERE prompt.campaign_id = %(campaign)s AND prompt.sampling = 'sampled' AND prompt.rankings_held > 0
    AND prompt.author_id IS DISTINCT FROM %(reviewer)s
    AND (said.is_asked OR said.alike < %(below)s)
    AND (%(among)s::bigint[] IS NULL OR prompt.id = ANY (%(among)s::bigint[]))
    AND NOT EXISTS (SELECT FROM annotate_ranking AS done WHERE done.prompt_id = prompt.id
        AND (done.labeler_id = %(reviewer)s OR done.is_review AND done.state IN ('claimed', 'submitted')))
ORDER BY prompt.rankings_held, prompt.id LIMIT %(most)s
"""


class Waiting(NamedTuple):
    """A prompt that waits for a review."""

    prompt: int
    text: str
    alike: float | None
    """The share of comparisons that its labelers made alike; None where no two decided one."""
    is_asked: bool
    """Whether a labeler asks for it."""


class Said(NamedTuple):
    """What one labeler, whose name the reviewer does not learn, said of the prompt."""

    number: int
    judgements: list[RankedCompletion]
    """In the order in which the reviewer sees the completions."""
    notes: str


def to_review(campaign: Campaign) -> list[int]:
    """Return the ids of the first prompts that ask for a review, whoever may review them."""
    return [one.prompt for one in _waiting(campaign, reviewer=0, among=None, most=MOST_TO_REVIEW)]


def waiting(campaign: Campaign, reviewer: User, among: list[int]) -> list[Waiting]:
    """Return the first of these prompts that this person may review: none that they ranked or wrote."""
    return _waiting(campaign, reviewer.pk, among, MOST_WAITING)


def _waiting(campaign: Campaign, reviewer: int, among: list[int] | None, most: int) -> list[Waiting]:
    below = campaign.review_below or 0.0
    values = {"campaign": campaign.pk, "reviewer": reviewer, "below": below, "among": among, "most": most}
    (found,) = sql.run(WAITING, values)
    return [Waiting(*row) for row in found.rows]


def has_reviews(campaign: Campaign) -> bool:
    submitted = Ranking.objects.filter(state=ClaimState.SUBMITTED, is_review=True)
    return submitted.filter(prompt__campaign=campaign).exists()


def reviewed(review: Ranking) -> list[Said]:
    """Return what a review reviews, as the labelers submitted it."""
    order = {row.completion_id: row.place for row in review.ranked_completions.all()}
    submitted = {"state": ClaimState.SUBMITTED, "is_review": False, "purpose": Purpose.DATA}
    rows = Ranking.objects.filter(prompt=review.prompt_id, **submitted)
    rankings = rows.order_by("slot").prefetch_related("ranked_completions")
    return [
        Said(
            number, sorted(one.ranked_completions.all(), key=lambda row: order[row.completion_id]), one.notes
        )
        for number, one in enumerate(rankings, 1)
    ]
