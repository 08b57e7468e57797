"""Hidden checks, handed out at a campaign's rate: gold items, and what a labeler has ranked before.

To its labeler a check is a ranking like any other. It holds no slot, so it covers nothing, and no export,
snapshot or count of data has it.
"""

import random
from datetime import timedelta

from django.utils import timezone

from annotate.actions import handing_out
from annotate.actions.handing_out import BEGUN, FIT
from annotate.models import Campaign, Purpose, Ranking, User

# Each gold item at most once, and none that this labeler has judged as data.
GOLD = f"""
SELECT prompt.id
FROM annotate_golditem AS gold JOIN annotate_prompt AS prompt ON prompt.id = gold.prompt_id
WHERE prompt.campaign_id = %(campaign)s AND prompt.sampling = 'sampled' AND {FIT}
    AND prompt.author_id IS DISTINCT FROM %(labeler)s AND NOT EXISTS
        (SELECT FROM {{claims}} AS own WHERE own.prompt_id = prompt.id AND own.labeler_id = %(labeler)s)
    AND NOT EXISTS ({BEGUN})
ORDER BY random() LIMIT 1
"""  # noqa: S608 - constants
# The latest that is far enough back and did not come back before. How far differs from time to time, so that
# nobody can count when one comes.
REPEAT = f"""
SELECT prompt.id
FROM {{claims}} AS earlier JOIN annotate_prompt AS prompt ON prompt.id = earlier.prompt_id
WHERE earlier.labeler_id = %(labeler)s AND earlier.state = 'submitted' AND earlier.purpose = 'data'
    AND NOT earlier.is_review
    AND earlier.submitted_at <= %(until)s AND earlier.submitted_at <= (
        SELECT later.submitted_at
        FROM {{claims}} AS later JOIN annotate_prompt AS between ON between.id = later.prompt_id
        WHERE later.labeler_id = %(labeler)s AND later.state = 'submitted'
            AND between.campaign_id = %(campaign)s
        ORDER BY later.submitted_at DESC OFFSET %(items)s LIMIT 1)
    AND prompt.campaign_id = %(campaign)s AND prompt.sampling = 'sampled' AND NOT EXISTS
        (SELECT FROM {{claims}} AS again WHERE again.prompt_id = prompt.id
            AND again.labeler_id = %(labeler)s AND again.purpose = 'repeat')
    AND NOT EXISTS ({BEGUN})
ORDER BY earlier.submitted_at DESC LIMIT 1
"""  # noqa: S608 - constants
QUERIES = {Purpose.GOLD: GOLD, Purpose.REPEAT: REPEAT}


def take(campaign: Campaign, labeler: User, besides: int = 0) -> Ranking | None:
    """Return a check if it is time for one by the campaign's rates, and there is one for this labeler.

    `besides` is as in handing_out.take_next.
    """
    purpose = drawn(campaign)
    if purpose is None:
        return None
    items = campaign.repeat_after_items
    values = handing_out.values(Ranking, campaign, labeler) | {
        "besides": besides,
        "until": timezone.now() - timedelta(days=campaign.repeat_after_days),
        "items": items + random.randrange(items),
    }
    return handing_out.claim(Ranking, QUERIES[purpose], values, purpose)


def drawn(campaign: Campaign) -> Purpose | None:
    """Return which check is due by chance, mostly none."""
    percent = random.random() * 100
    if percent < campaign.gold_percent:
        return Purpose.GOLD
    is_repeat = percent < campaign.gold_percent + campaign.repeat_percent
    return Purpose.REPEAT if is_repeat else None
