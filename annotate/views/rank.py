"""Ranking: rate each completion of a prompt, answer the yes/no questions, put all of them in order."""

from functools import lru_cache
from typing import Any, NamedTuple

from django.db.models import F
from django.http import HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from annotate import access, asked, desk_access
from annotate.actions import rankings
from annotate.actions.rankings import BEST_RATING, Answer, Judgement
from annotate.errors import Refused
from annotate.forms import ranking_answer
from annotate.models import LETTERS, Campaign, Ranking
from annotate.reviewed import reviewed
from annotate.signed_in import SignedInRequest
from annotate.views import desk, fresh

TEMPLATE = "rank/rank.html"


class Output(NamedTuple):
    """One completion as the page shows it: by letter, with what is said of it so far."""

    letter: str
    text: str
    judgement: Judgement


@require_POST
def claim_next(request: SignedInRequest, campaign_pk: int) -> HttpResponse:
    return desk.go_on(request, WORK, access.labeling_campaign(request.user, campaign_pk))


@require_POST
def claim_prompt(request: SignedInRequest, prompt_pk: int) -> HttpResponse:
    prompt = access.prompt(request.user, prompt_pk)
    access.labeling_campaign(request.user, prompt.campaign_id)
    return redirect("ranking", rankings.claim_prompt(prompt, request.user).pk)


@require_safe
def ranking(request: SignedInRequest, pk: int) -> HttpResponse:
    return page(request, access.ranking(request.user, pk))


@require_POST
def draft(request: SignedInRequest, pk: int) -> HttpResponse:
    ranking = desk_access.answered_ranking(request.user, pk)
    known = request.POST.get("drafted")
    return desk.draft_kept(rankings.save_draft(ranking, ranking_answer(request.POST), known))


@require_POST
def submit(request: SignedInRequest, pk: int) -> HttpResponse:
    ranking = desk_access.answered_ranking(request.user, pk)
    answer = ranking_answer(request.POST)
    try:
        rankings.submit(ranking, answer)
    except Refused as error:
        if request.htmx:
            raise
        return page(request, ranking, answer, error)
    return desk.submitted(request, WORK, ranking)


@require_POST
def undo(request: SignedInRequest, pk: int) -> HttpResponse:
    return desk.undo(WORK, access.ranking(request.user, pk))


@require_POST
def skip(request: SignedInRequest, pk: int) -> HttpResponse:
    return desk.skip(request, WORK, access.ranking(request.user, pk))


@require_POST
def ahead(request: SignedInRequest, pk: int) -> HttpResponse:
    return desk.ahead(request, WORK, desk_access.looked_at(Ranking, request.user, pk))


def page(
    request: SignedInRequest, ranking: Ranking, answer: Answer | None = None, error: Refused | None = None
) -> HttpResponse:
    rows = list(ranking.ranked_completions.annotate(text=F("completion__text")))
    answer = answer or rankings.stored(ranking, rows)
    outputs = [Output(row.letter, row.text, answer.judgements.get(row.letter, Judgement())) for row in rows]
    context = page_context(ranking, outputs, answer, error)
    return render(request, TEMPLATE, context, status=error.status if error else 200)


def page_ahead(request: SignedInRequest, campaign: Campaign, ranking: Ranking) -> HttpResponse:
    ranking.prompt.campaign = campaign
    if ranking.drafted_at or not all(text.strip() for text in ranking.texts):
        return page(request, ranking)
    pieces = pieces_of(fresh.frame(campaign, ranking))
    return HttpResponse(fresh.fill_in(pieces, ranking, get_token(request)))


@lru_cache(maxsize=256)
def pieces_of(frame: fresh.Frame) -> list[str]:
    outputs = [Output(letter, fresh.hole(letter), Judgement()) for letter in LETTERS[: frame.k]]
    context = page_context(fresh.stand_in(frame), outputs, Answer({}), None)
    return fresh.pieces(TEMPLATE, frame, context)


def page_context(
    ranking: Ranking, outputs: list[Output], answer: Answer, error: Refused | None
) -> dict[str, Any]:
    return desk.shared_context(WORK, ranking, error) | {
        "outputs": outputs,
        "ranks": range(1, len(outputs) + 1),
        "ratings": range(1, BEST_RATING + 1),
        "questions": asked.questions(ranking.prompt.campaign),
        "prompt_flags": asked.prompt_flags(ranking.prompt.campaign, list(answer.prompt_flags)),
        "notes": answer.notes,
        "chosen_prompt_flags": answer.prompt_flags,
        "asks_review": answer.asks_review,
        "reviewed": reviewed(ranking) if ranking.is_review else None,
    }


WORK = desk.Work(
    noun="ranking",
    claim_next=rankings.claim_next,
    page=page,
    page_ahead=page_ahead,
    submitted=gettext_lazy("Ranking submitted."),
    nothing_left=gettext_lazy("Nothing is left to rank in %(campaign)s for now."),
)
