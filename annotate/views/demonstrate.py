"""Writing a demonstration: the completion that the person would want to get."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from annotate import access
from annotate.access import SignedInRequest
from annotate.actions import claims, demonstrations, suggestions
from annotate.errors import Refused
from annotate.forms import seconds, without_nul
from annotate.models import Campaign, Demonstration, Suggestion
from annotate.views.suggestions import begun_from


@require_POST
def claim_next(request: SignedInRequest, campaign_pk: int) -> HttpResponse:
    return go_on(request, access.labeling_campaign(request.user, campaign_pk))


@require_safe
def demonstration(request: SignedInRequest, pk: int) -> HttpResponse:
    demonstration = access.demonstration(request.user, pk)
    return page(request, demonstration, demonstration.text)


@require_POST
def draft(request: SignedInRequest, pk: int) -> HttpResponse:
    demonstration = access.demonstration(request.user, pk)
    text = without_nul(request.POST.get("text", ""))
    demonstrations.save_draft(demonstration, text, seconds(request.POST), suggested(request, demonstration))
    return HttpResponse(status=204)


@require_POST
def submit(request: SignedInRequest, pk: int) -> HttpResponse:
    demonstration = access.demonstration(request.user, pk)
    text = without_nul(request.POST.get("text", ""))
    try:
        demonstrations.submit(demonstration, text, seconds(request.POST), suggested(request, demonstration))
    except Refused as error:
        return page(request, demonstration, text, error)
    messages.success(request, _("Demonstration submitted."))
    return go_on(request, demonstration.prompt.campaign)


@require_POST
def skip(request: SignedInRequest, pk: int) -> HttpResponse:
    demonstration = access.demonstration(request.user, pk)
    try:
        claims.skip(demonstration, without_nul(request.POST.get("reason", "")))
    except Refused as error:
        return page(request, demonstration, demonstration.text, error)
    return go_on(request, demonstration.prompt.campaign)


def go_on(request: SignedInRequest, campaign: Campaign) -> HttpResponse:
    """Show what this person demonstrates next in the campaign, or home if nothing is left."""
    claimed = None
    if access.may_label(request.user, campaign):
        claimed = demonstrations.claim_next(campaign, request.user)
    if claimed:
        return redirect("demonstration", claimed.pk)
    messages.info(request, _("No prompt of %(campaign)s lacks a demonstration.") % {"campaign": campaign})
    return redirect("home")


def suggested(request: SignedInRequest, demonstration: Demonstration) -> Suggestion | None:
    return begun_from(request, suggestions.own(request.user, demonstration.prompt))


def page(
    request: SignedInRequest, demonstration: Demonstration, text: str, error: Refused | None = None
) -> HttpResponse:
    context = {
        "demonstration": demonstration,
        "prompt": demonstration.prompt,
        "text": text,
        "suggestion": suggestions.own(request.user, demonstration.prompt).last(),
        "error": error,
    }
    status = error.status if error else 200
    return render(request, "demonstrate/demonstrate.html", context, status=status)
