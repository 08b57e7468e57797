"""Periodic retraining of a campaign: when it is due and why, what is under way, and what was decided."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from annotate import access
from annotate.actions import retraining as actions
from annotate.actions.campaigns import change_campaign
from annotate.campaign_forms import RetrainingForm
from annotate.forms import posted
from annotate.signed_in import SignedInRequest, for_researchers


@require_http_methods(["GET", "POST"])
@for_researchers
def retraining(request: SignedInRequest, pk: int) -> HttpResponse:
    campaign = access.campaign(request.user, pk)
    form = RetrainingForm(posted(request), instance=access.campaign(request.user, pk))
    if form.is_valid():
        change_campaign(campaign, request.user, **form.cleaned_data)
        messages.success(request, _("The settings are saved."))
        return redirect("retraining", pk)
    context = {
        "campaign": campaign,
        "form": form,
        "due": actions.due(campaign),
        "rounds": access.retrainings(request.user, campaign)[:50],
    }
    return render(request, "retraining/retraining.html", context, status=422 if form.errors else 200)


@require_POST
@for_researchers
def retrain_now(request: SignedInRequest, pk: int) -> HttpResponse:
    actions.retrain_now(access.campaign(request.user, pk), request.user)
    return redirect("retraining", pk)
