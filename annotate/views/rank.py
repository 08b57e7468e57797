"""Ranking: rate each completion of a prompt, answer the yes/no questions, put all of them in order."""

from typing import NamedTuple

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from annotate import access
from annotate.access import SignedInRequest
from annotate.actions import claims, rankings
from annotate.actions.rankings import BEST_RATING, Answer, Judgement
from annotate.errors import Refused
from annotate.forms import ranking_answer, without_nul
from annotate.models import Campaign, Flag, Ranking


class Output(NamedTuple):
    """One completion as the page shows it: by letter, with what is said of it so far."""

    letter: str
    text: str
    judgement: Judgement


@require_POST
def claim_next(request: SignedInRequest, campaign_pk: int) -> HttpResponse:
    return go_on(request, access.labeling_campaign(request.user, campaign_pk))


@require_POST
def claim_prompt(request: SignedInRequest, prompt_pk: int) -> HttpResponse:
    prompt = access.prompt(request.user, prompt_pk)
    access.labeling_campaign(request.user, prompt.campaign_id)
    ranking = rankings.claim_prompt(prompt, request.user)
    if ranking is None:
        raise Refused(_("This prompt takes no more rankings: others hold or have ranked it."))
    return redirect("ranking", ranking.pk)


@require_safe
def ranking(request: SignedInRequest, pk: int) -> HttpResponse:
    ranking = access.ranking(request.user, pk)
    return page(request, ranking, rankings.stored(ranking, list(ranking.ranked_completions.all())))


@require_POST
def draft(request: SignedInRequest, pk: int) -> HttpResponse:
    rankings.save_draft(access.ranking(request.user, pk), ranking_answer(request.POST))
    return HttpResponse(status=204)


@require_POST
def submit(request: SignedInRequest, pk: int) -> HttpResponse:
    ranking = access.ranking(request.user, pk)
    answer = ranking_answer(request.POST)
    try:
        rankings.submit(ranking, answer)
    except Refused as error:
        return page(request, ranking, answer, error)
    messages.success(request, _("Ranking submitted."))
    return go_on(request, ranking.prompt.campaign)


@require_POST
def skip(request: SignedInRequest, pk: int) -> HttpResponse:
    ranking = access.ranking(request.user, pk)
    try:
        claims.skip(ranking, without_nul(request.POST.get("reason", "")))
    except Refused as error:
        stored = rankings.stored(ranking, list(ranking.ranked_completions.all()))
        return page(request, ranking, stored, error)
    return go_on(request, ranking.prompt.campaign)


def go_on(request: SignedInRequest, campaign: Campaign) -> HttpResponse:
    """Show what this person ranks next in the campaign, or home if nothing is left."""
    claimed = None
    if access.may_label(request.user, campaign):
        claimed = rankings.claim_next(campaign, request.user)
    if claimed:
        return redirect("ranking", claimed.pk)
    messages.info(request, _("Nothing is left to rank in %(campaign)s for now.") % {"campaign": campaign})
    return redirect("home")


def page(
    request: SignedInRequest, ranking: Ranking, answer: Answer, error: Refused | None = None
) -> HttpResponse:
    rows = ranking.ranked_completions.select_related("completion")
    outputs = [
        Output(row.letter, row.completion.text, answer.judgements.get(row.letter, Judgement()))
        for row in rows
    ]
    context = {
        "ranking": ranking,
        "prompt": ranking.prompt,
        "outputs": outputs,
        "ranks": range(1, len(outputs) + 1),
        "ratings": range(1, BEST_RATING + 1),
        "flags": Flag.choices,
        "notes": answer.notes,
        "error": error,
    }
    return render(request, "rank/rank.html", context, status=error.status if error else 200)
