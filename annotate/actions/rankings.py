"""Writing rankings: claiming a prompt, keeping the draft, submitting the answer."""

import random
from collections.abc import Mapping
from typing import NamedTuple

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from annotate.actions import claims
from annotate.errors import Invalid, Refused
from annotate.models import (
    Campaign,
    ClaimState,
    Flag,
    Prompt,
    RankedCompletion,
    Ranking,
    Sampling,
    User,
)

BEST_RATING = 7
LONGEST_NOTES = 4000


class Judgement(NamedTuple):
    """What a labeler says of one completion; None is not said yet."""

    rank: int | None = None
    rating: int | None = None
    flags: tuple[str, ...] = ()
    notes: str = ""


class Answer(NamedTuple):
    """What a labeler says of all completions, each by the letter it was shown under."""

    judgements: Mapping[str, Judgement]
    notes: str = ""
    seconds: float | None = None


def rankable(campaign: Campaign, labeler: User) -> QuerySet[Prompt]:
    """Return the prompts this labeler may claim for ranking, the least covered first."""
    return claims.open_prompts(Ranking, Prompt.objects.filter(sampling=Sampling.SAMPLED), campaign, labeler)


def claim_next(campaign: Campaign, labeler: User) -> Ranking | None:
    """Return what this labeler ranks next: unfinished work first. None if nothing is left."""
    own = Ranking.objects.filter(labeler=labeler, prompt__campaign=campaign)
    unfinished = own.filter(state=ClaimState.CLAIMED)
    if ranking := unfinished.first() or claims.resume_lapsed(own):
        return ranking
    return claims.take(unfinished, rankable(campaign, labeler), campaign, labeler, show_in_random_order)


def claim_prompt(prompt: Prompt, labeler: User) -> Ranking | None:
    """Return this labeler's ranking of this prompt, a new one if need be; None if it takes no more."""
    own = Ranking.objects.filter(labeler=labeler, prompt=prompt)
    wanted = rankable(prompt.campaign, labeler).filter(pk=prompt.pk)
    return claims.take(own, wanted, prompt.campaign, labeler, show_in_random_order)


def show_in_random_order(ranking: Ranking) -> None:
    """Fix the order in which this labeler sees the completions."""
    completions = list(ranking.prompt.completions.all())
    random.shuffle(completions)
    RankedCompletion.objects.bulk_create(
        RankedCompletion(ranking=ranking, completion=completion, place=place)
        for place, completion in enumerate(completions)
    )


@transaction.atomic
def save_draft(ranking: Ranking, answer: Answer) -> None:
    """Keep an unfinished answer and renew the claim.

    Raises:
        Invalid: a value is out of range; nothing is kept of this answer.
        Refused: it is submitted already, or the claim ran out and its slot is taken.
    """
    held = claims.hold(ranking)
    if held.state == ClaimState.SUBMITTED:
        raise Refused(_("This is submitted. Changes count once you submit them again."))
    rows = list(held.ranked_completions.all())
    check(rows, answer)
    write(held, rows, answer)
    held.seconds = answer.seconds
    held.save(update_fields=["notes", "seconds"])


@transaction.atomic
def submit(ranking: Ranking, answer: Answer) -> None:
    """Make an answer count; the same again changes nothing, another one replaces it until it is frozen.

    Raises:
        Invalid: a rank or rating is missing or out of range.
        Refused: a snapshot has read the answer, or the claim ran out and its slot is taken.
    """
    held = claims.hold(ranking)
    rows = list(held.ranked_completions.all())
    check(rows, answer)
    check_complete(rows, answer)
    if held.state == ClaimState.SUBMITTED:
        if stored(held, rows)[:2] == answer[:2]:
            return
        claims.refuse_frozen(held)
    write(held, rows, answer)
    held.save(update_fields=["notes"])
    claims.submit(held, answer.seconds)


def stored(ranking: Ranking, rows: list[RankedCompletion]) -> Answer:
    """Return the answer as the rows have it."""
    judgements = {row.letter: Judgement(row.rank, row.rating, tuple(row.flags), row.notes) for row in rows}
    return Answer(judgements, ranking.notes, ranking.seconds)


def check(rows: list[RankedCompletion], answer: Answer) -> None:
    """Refuse what can never be right, drafts included."""
    letters = {row.letter for row in rows}
    for letter, judgement in answer.judgements.items():
        if letter not in letters:
            raise Invalid(_("Output %(letter)s is not in this ranking.") % {"letter": letter})
        check_judgement(letter, judgement, len(rows))
    if len(answer.notes) > LONGEST_NOTES:
        raise Invalid(_("Notes: at most %(limit)d characters.") % {"limit": LONGEST_NOTES})


def check_judgement(letter: str, judgement: Judgement, k: int) -> None:
    name = {"letter": letter}
    if judgement.rank is not None and not 1 <= judgement.rank <= k:
        raise Invalid(_("Output %(letter)s: its rank must be from 1 to %(k)d.") % {**name, "k": k})
    if judgement.rating is not None and not 1 <= judgement.rating <= BEST_RATING:
        raise Invalid(_("Output %(letter)s: its rating must be from 1 to 7.") % name)
    for flag in judgement.flags:
        if flag not in Flag.values:
            raise Invalid(_("Output %(letter)s: there is no flag “%(flag)s”.") % {**name, "flag": flag})
    if len(judgement.notes) > LONGEST_NOTES:
        raise Invalid(
            _("Output %(letter)s: notes of at most %(limit)d characters.") % {**name, "limit": LONGEST_NOTES}
        )


def check_complete(rows: list[RankedCompletion], answer: Answer) -> None:
    """Refuse an answer that leaves a rating or a rank out, naming each output."""
    missing = []
    for row in rows:
        judgement = answer.judgements.get(row.letter, Judgement())
        if judgement.rating is None:
            missing.append(_("Output %(letter)s has no rating.") % {"letter": row.letter})
        if judgement.rank is None:
            missing.append(_("Output %(letter)s has no rank.") % {"letter": row.letter})
    if missing:
        raise Invalid(" ".join(missing))


def write(ranking: Ranking, rows: list[RankedCompletion], answer: Answer) -> None:
    for row in rows:
        judgement = answer.judgements.get(row.letter, Judgement())
        row.rank, row.rating, row.notes = judgement.rank, judgement.rating, judgement.notes
        row.flags = list(judgement.flags)
    RankedCompletion.objects.bulk_update(rows, ["rank", "rating", "flags", "notes"])
    ranking.notes = answer.notes
