"""Keeping what an answer said before its labeler changed it or took it back."""

from typing import Any

from annotate.models import Demonstration, Ranking, Revision


def keep(answer: Ranking | Demonstration) -> None:
    """Store a submitted answer as its rows have it; call it in the transaction that changes them, before."""
    assert answer.submitted_at is not None, "the database lets no answer be submitted without its time"
    said: dict[str, Any] = {"prompt_flags": answer.prompt_flags}
    revision = Revision(seconds=answer.seconds, submitted_at=answer.submitted_at)
    if isinstance(answer, Ranking):
        said |= {"notes": answer.notes, "judgements": judgements(answer)}
        revision.ranking = answer
    else:
        said |= {"text": answer.text}
        revision.demonstration = answer
    revision.answer = said
    revision.save()


def judgements(ranking: Ranking) -> dict[str, dict[str, Any]]:
    return {
        row.letter: {"rank": row.rank, "rating": row.rating, "flags": row.flags, "notes": row.notes}
        for row in ranking.ranked_completions.all()
    }
