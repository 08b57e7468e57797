"""Writing a demonstration: the completion that the person would want to get."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from annotate import access, asked, desk_access
from annotate.actions import demonstrations, suggestions
from annotate.errors import Refused
from annotate.forms import as_written, seconds
from annotate.models import Campaign, Demonstration
from annotate.signed_in import SignedInRequest
from annotate.views import desk
from annotate.views.suggestions import begun_from


@require_POST
def claim_next(request: SignedInRequest, campaign_pk: int) -> HttpResponse:
    return desk.go_on(request, WORK, access.labeling_campaign(request.user, campaign_pk))


@require_safe
def demonstration(request: SignedInRequest, pk: int) -> HttpResponse:
    return page(request, access.demonstration(request.user, pk))


@require_POST
def draft(request: SignedInRequest, pk: int) -> HttpResponse:
    demonstration = access.demonstration(request.user, pk)
    known = request.POST.get("drafted")
    kept = demonstrations.save_draft(demonstration, **written(request, demonstration), known=known)
    return desk.draft_kept(kept)


@require_POST
def submit(request: SignedInRequest, pk: int) -> HttpResponse:
    demonstration = access.demonstration(request.user, pk)
    answer = written(request, demonstration)
    try:
        demonstrations.submit(demonstration, **answer)
    except Refused as error:
        if request.htmx:
            raise
        return page(request, demonstration, answer["text"], error)
    return desk.submitted(request, WORK, demonstration)


@require_POST
def undo(request: SignedInRequest, pk: int) -> HttpResponse:
    return desk.undo(WORK, access.demonstration(request.user, pk))


@require_POST
def skip(request: SignedInRequest, pk: int) -> HttpResponse:
    return desk.skip(request, WORK, access.demonstration(request.user, pk))


@require_POST
def ahead(request: SignedInRequest, pk: int) -> HttpResponse:
    return desk.ahead(request, WORK, desk_access.looked_at(Demonstration, request.user, pk))


def written(request: SignedInRequest, demonstration: Demonstration) -> dict[str, Any]:
    """Return what the form says, by the names that the actions give it."""
    return {
        "text": as_written(request.POST.get("text", "")),
        "seconds": seconds(request.POST),
        "suggestion": begun_from(request, suggestions.own(request.user, demonstration.prompt)),
        "prompt_flags": request.POST.getlist("prompt_flags"),
    }


def page(
    request: SignedInRequest,
    demonstration: Demonstration,
    text: str | None = None,
    error: Refused | None = None,
) -> HttpResponse:
    chosen = request.POST.getlist("prompt_flags") if error else demonstration.prompt_flags
    context = desk.shared_context(WORK, demonstration, error) | {
        "text": demonstration.text if text is None else text,
        "suggestion": suggestions.own(request.user, demonstration.prompt).last(),
        "prompt_flags": asked.prompt_flags(demonstration.prompt.campaign, chosen),
        "chosen_prompt_flags": chosen,
    }
    status = error.status if error else 200
    return render(request, "demonstrate/demonstrate.html", context, status=status)


def page_ahead(request: SignedInRequest, campaign: Campaign, demonstration: Demonstration) -> HttpResponse:
    demonstration.prompt.campaign = campaign
    return page(request, demonstration)


WORK = desk.Work(
    noun="demonstration",
    claim_next=demonstrations.claim_next,
    page=page,
    page_ahead=page_ahead,
    submitted=gettext_lazy("Demonstration submitted."),
    nothing_left=gettext_lazy("No prompt of %(campaign)s lacks a demonstration."),
)
