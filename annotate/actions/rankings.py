"""Writing rankings: claiming a prompt, keeping the draft, submitting the answer."""

import json
from collections.abc import Mapping, Sequence
from copy import copy
from typing import NamedTuple

from django.db import transaction
from django.utils.translation import gettext as _

from annotate import sql
from annotate.actions import answers, claims, handing_out, hidden_checks, revisions
from annotate.errors import Invalid, Refused
from annotate.models import (
    Campaign,
    ClaimState,
    Flag,
    Prompt,
    RankedCompletion,
    Ranking,
    User,
)

# Django's bulk_update of nine rows costs several times as much.
WRITE_JUDGEMENTS = """
UPDATE annotate_rankedcompletion AS row
SET rank = said.rank, rating = said.rating, flags = said.flags, notes = said.notes
FROM jsonb_to_recordset(%(judgements)s)
    AS said (place smallint, rank smallint, rating smallint, flags varchar[], notes text) {also}
WHERE row.ranking_id = {ranking} AND row.place = said.place RETURNING row.id
"""
WRITE = WRITE_JUDGEMENTS.format(ranking="%(id)s", also="")
SUBMIT_HELD = """
WITH held AS (
    UPDATE annotate_ranking SET state = 'submitted', lease_until = NULL, submitted_at = %(submitted_at)s,
        seconds = %(seconds)s, prompt_flags = %(prompt_flags)s, notes = %(notes)s,
        asks_review = %(asks_review)s
    WHERE id = %(id)s AND state = 'claimed' RETURNING id
)
{judgements}
""".replace("{judgements}", WRITE_JUDGEMENTS.format(ranking="held.id", also="CROSS JOIN held"))
OF_THE_WHOLE = ["notes", "asks_review"]
"""What a ranking says beside its judgements."""
BEST_RATING = 7
ROUNDED = 10
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
    prompt_flags: tuple[str, ...] = ()
    seconds: float | None = None
    asks_review: bool = False
    """Whether somebody should look at the prompt again."""


def claim_next(campaign: Campaign, labeler: User, besides: int = 0) -> Ranking | None:
    """Return what this labeler ranks next, as claims.claim_next says, or a hidden check."""
    return hidden_checks.take(campaign, labeler, besides) or claims.claim_next(
        Ranking, campaign, labeler, besides
    )


def claim_prompt(prompt: Prompt, labeler: User) -> Ranking:
    """Return this labeler's ranking of this prompt, a new one if need be.

    Raises:
        Refused: it takes no more.
    """
    claim = handing_out.take(Ranking, prompt.pk, prompt.campaign, labeler)
    ranking = claim or Ranking.objects.filter(labeler=labeler, prompt=prompt).first()
    if ranking is None:
        raise Refused(_("This prompt takes no more rankings: others hold or have ranked it."))
    return ranking


def left(campaign: Campaign, labeler: User) -> int:
    """Return how many prompts this labeler can still rank.

    Where checks hide among them, it is rounded up to tens: it would tell which one was a check.
    """
    count = handing_out.left(Ranking, campaign, labeler)
    return -(-count // ROUNDED) * ROUNDED if campaign.hides_checks else count


def save_draft(ranking: Ranking, answer: Answer, known: str | None = None) -> answers.Kept:
    """Keep an unfinished answer and renew the claim; `known` is the draft that the sender began from.

    Raises:
        Invalid: a value is out of range; nothing is kept of this answer.
        Refused: it is submitted already, or the claim ran out and its slot is taken; then the draft is kept.
    """
    with transaction.atomic():
        locked = claims.lock(ranking)
        answers.refuse_submitted(locked)
        check(ranking, answer)
        write(locked, ranking.letters, answer)
        kept = answers.draft(locked, answer.seconds, answer.prompt_flags, known)
        locked.save(update_fields=[*answers.DRAFT, *OF_THE_WHOLE])
    if locked.state == ClaimState.EXPIRED:
        raise claims.lost()
    return kept


def submit(ranking: Ranking, answer: Answer) -> None:
    """Make an answer count; the same again changes nothing, another one replaces it until it is frozen.

    Raises:
        Invalid: a rank or rating is missing or out of range.
        Refused: a snapshot has read the answer, or the claim ran out and its slot is taken.
    """
    check(ranking, answer)
    check_complete(ranking.letters, answer)
    # Mostly it is the first answer to a claim that is held: one statement, and nothing to lock before.
    if not submit_held(copy(ranking), answer):
        submit_otherwise(ranking, answer)


def submit_held(ranking: Ranking, answer: Answer) -> bool:
    """Store an answer if its claim is held at this moment; return whether it is."""
    answers.submit(ranking, answer.seconds, answer.prompt_flags)
    values = {name: getattr(ranking, name) for name in ("id", "seconds", "prompt_flags", "submitted_at")}
    values |= {"notes": answer.notes, "asks_review": answer.asks_review}
    values |= {"judgements": as_json(ranking.letters, answer)}
    return sql.one(SUBMIT_HELD, values) is not None


@transaction.atomic
def submit_otherwise(ranking: Ranking, answer: Answer) -> None:
    """Make an answer count whose claim had let go, or that was submitted before."""
    held = claims.hold(ranking)
    if held.state == ClaimState.SUBMITTED:
        before = stored(held, list(held.ranked_completions.all()))
        if before == answer._replace(seconds=before.seconds):
            return
        answers.refuse_frozen(held)
        revisions.keep(held)
    write(held, ranking.letters, answer)
    answers.submit(held, answer.seconds, answer.prompt_flags)
    held.save(update_fields=[*answers.SUBMITTED, *OF_THE_WHOLE])


def stored(ranking: Ranking, rows: Sequence[RankedCompletion]) -> Answer:
    """Return the answer as the rows have it."""
    judgements = {row.letter: Judgement(row.rank, row.rating, tuple(row.flags), row.notes) for row in rows}
    flags = tuple(ranking.prompt_flags)
    return Answer(judgements, ranking.notes, flags, ranking.seconds, ranking.asks_review)


def check(ranking: Ranking, answer: Answer) -> None:
    """Refuse what can never be right, drafts included."""
    letters = ranking.letters
    check_flags(ranking, answer)
    for letter, judgement in answer.judgements.items():
        if letter not in list(letters):
            raise Invalid(_("Output %(letter)s is not in this ranking.") % {"letter": letter})
        check_judgement(letter, judgement, len(letters))
    answers.check_prompt_flags(answer.prompt_flags)
    if len(answer.notes) > LONGEST_NOTES:
        raise Invalid(_("Notes: at most %(limit)d characters.") % {"limit": LONGEST_NOTES})


def check_judgement(letter: str, judgement: Judgement, k: int) -> None:
    name = {"letter": letter}
    if judgement.rank is not None and not 1 <= judgement.rank <= k:
        raise Invalid(_("Output %(letter)s: its rank must be from 1 to %(k)d.") % {**name, "k": k})
    if judgement.rating is not None and not 1 <= judgement.rating <= BEST_RATING:
        raise Invalid(_("Output %(letter)s: its rating must be from 1 to 7.") % name)
    if len(judgement.notes) > LONGEST_NOTES:
        raise Invalid(
            _("Output %(letter)s: notes of at most %(limit)d characters.") % {**name, "limit": LONGEST_NOTES}
        )


def check_flags(ranking: Ranking, answer: Answer) -> None:
    """Refuse flags that are neither the paper's nor the campaign's own, now or when it was judged before."""
    others = {
        flag: letter
        for letter, said in answer.judgements.items()
        for flag in said.flags
        if flag not in Flag.values
    }
    # Mostly there is none, and then nothing to ask for.
    if others:
        known = {name for name, _help in ranking.prompt.campaign.listed_own_flags}
        known.update(*ranking.ranked_completions.values_list("flags", flat=True))
        for flag in sorted(others.keys() - known):
            words = {"letter": others[flag], "flag": flag[:40]}
            raise Invalid(_("Output %(letter)s: there is no flag “%(flag)s”.") % words)


def check_complete(letters: str, answer: Answer) -> None:
    """Refuse an answer that leaves a rating or a rank out, naming each output."""
    missing = []
    for letter in letters:
        judgement = answer.judgements.get(letter, Judgement())
        if judgement.rating is None:
            missing.append(_("Output %(letter)s has no rating.") % {"letter": letter})
        if judgement.rank is None:
            missing.append(_("Output %(letter)s has no rank.") % {"letter": letter})
    if missing:
        raise Invalid(" ".join(missing))


def write(locked: Ranking, letters: str, answer: Answer) -> None:
    """Store the judgements; the caller saves the ranking itself."""
    locked.notes, locked.asks_review = answer.notes, answer.asks_review
    sql.run(WRITE, {"id": locked.pk, "judgements": as_json(letters, answer)})


def as_json(letters: str, answer: Answer) -> str:
    said = enumerate(answer.judgements.get(letter, Judgement()) for letter in letters)
    return json.dumps([{"place": place, **judgement._asdict()} for place, judgement in said])
