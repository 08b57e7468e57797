"""Intake: what a campaign's rules decided about its prompts, and an admin's say over each decision."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from annotate import access
from annotate.access import SignedInRequest, for_admins, for_researchers
from annotate.actions import intake
from annotate.models import Campaign, Rule

DECISIONS_A_PAGE = 50


@require_GET
@for_researchers
def intake_page(request: SignedInRequest, pk: int) -> HttpResponse:
    campaign = access.campaign(request.user, pk)
    decisions = campaign.intake_decisions.select_related("prompt", "reversed_by")
    wanted = request.GET.get("rule", "")
    if wanted in Rule.values:
        decisions = decisions.filter(rule=wanted)
    context = {
        "campaign": campaign,
        "rules": counts(campaign),
        "wanted": wanted,
        "page": Paginator(decisions, DECISIONS_A_PAGE).get_page(request.GET.get("page")),
    }
    return render(request, "intake/intake.html", context)


def counts(campaign: Campaign) -> list[tuple[Rule, int, int]]:
    """Return each rule with how many of its decisions stand and how many are reversed."""
    is_reversed = Q(reversed_at__isnull=False)
    rows = campaign.intake_decisions.order_by().values_list("rule")
    by_rule = {
        rule: told for rule, *told in rows.annotate(all=Count("pk"), gone=Count("pk", filter=is_reversed))
    }
    return [(rule, all_ - gone, gone) for rule in Rule for all_, gone in [by_rule.get(rule, (0, 0))]]


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
