"""Intake: what a campaign's rules decided about its prompts, and an admin's say over each decision."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from annotate import access
from annotate.actions import intake
from annotate.kept import PROGRESS, shown
from annotate.models import Rule
from annotate.paging import page_of
from annotate.progress import Glance
from annotate.signed_in import SignedInRequest, for_admins, for_researchers

DECISIONS_A_PAGE = 50


@require_GET
@for_researchers
def intake_page(request: SignedInRequest, pk: int) -> HttpResponse:
    campaign = access.campaign(request.user, pk)
    decisions = access.intake_decisions(request.user).filter(campaign=campaign)
    wanted = request.GET.get("rule", "")
    if wanted in Rule.values:
        decisions = decisions.filter(rule=wanted)
    so_far = shown(campaign, PROGRESS)
    context = {
        "campaign": campaign,
        "kept": so_far.kept,
        "rules": in_words(so_far.figures),
        "wanted": wanted,
        "page": page_of(decisions, DECISIONS_A_PAGE, request.GET),
    }
    return render(request, "intake/intake.html", context)


def in_words(glance: Glance | None) -> list[tuple[Rule, int, int]]:
    """Return each rule with how many of its decisions stand and how many are reversed."""
    return [(Rule(rule), standing, gone) for rule, standing, gone in glance.decisions] if glance else []


@require_POST
@for_admins
def reverse(request: SignedInRequest, pk: int) -> HttpResponse:
    decision = access.intake_decision(request.user, pk)
    intake.reverse(decision, request.user)
    messages.success(
        request, _("Prompt %(number)d: the decision is reversed.") % {"number": decision.prompt_id}
    )
    return redirect("campaign-intake", decision.campaign_id)


@require_POST
@for_admins
def uphold(request: SignedInRequest, pk: int) -> HttpResponse:
    decision = access.intake_decision(request.user, pk)
    intake.uphold(decision, request.user)
    messages.success(
        request, _("Prompt %(number)d: the decision stands again.") % {"number": decision.prompt_id}
    )
    return redirect("campaign-intake", decision.campaign_id)
