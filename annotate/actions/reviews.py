"""Reviewing: a second look at what labelers disagree on, as a ranking of its own that erases none of theirs.

A review is claimed, drafted, submitted and skipped as any ranking is; it holds none of the prompt's slots.
"""

from random import shuffle

from django.db import transaction

from annotate.actions import claims
from annotate.kept import waiting_for
from annotate.models import Campaign, Prompt, RankedCompletion, Ranking, User


@transaction.atomic
def claim_next(campaign: Campaign, reviewer: User) -> Ranking | None:
    """Return what this reviewer looks at next, unfinished reviews first; None if nothing waits for them."""
    # The second of two clicks waits here for the first one's claim, and goes on with it.
    User.objects.select_for_update(no_key=True).get(pk=reviewer.pk)
    if begun := claims.go_on_with(Ranking, campaign, reviewer, is_review=True):
        return begun
    for prompt in waiting_for(campaign, reviewer):
        if claimed := _claim(prompt.prompt, campaign, reviewer):
            return claimed
    return None


def _claim(prompt: int, campaign: Campaign, reviewer: User) -> Ranking | None:
    """Return a review of this prompt; None where somebody else holds the prompt or its review."""
    rows = Prompt.objects.select_for_update(no_key=True, skip_locked=True).filter(pk=prompt)
    locked = rows.first()
    if locked is None or claims.is_reviewed(locked.pk):
        return None
    review = Ranking.objects.create(
        prompt=locked,
        labeler=reviewer,
        instructions=campaign.instructions.first(),
        is_review=True,
        lease_until=claims.lease(campaign),
    )
    shown = list(locked.completions.all())
    shuffle(shown)
    RankedCompletion.objects.bulk_create(
        RankedCompletion(ranking=review, completion=completion, place=place)
        for place, completion in enumerate(shown)
    )
    return review
