"""Gold items: a campaign's list of them, marking a ranking as gold, taking it back."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from annotate import access
from annotate.actions import gold
from annotate.signed_in import SignedInRequest, for_researchers

ITEMS_A_PAGE = 50


@require_GET
@for_researchers
def gold_list(request: SignedInRequest, pk: int) -> HttpResponse:
    campaign = access.campaign(request.user, pk)
    items = access.gold_items(request.user).filter(prompt__campaign=campaign).order_by("-pk")
    page = Paginator(items.with_answers(), ITEMS_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "gold/gold.html", {"campaign": campaign, "page": page})


@require_POST
@for_researchers
def mark(request: SignedInRequest, pk: int) -> HttpResponse:
    item = gold.mark(access.judged_ranking(request.user, pk), request.user)
    messages.success(request, _("This prompt is a gold item now."))
    return redirect("prompt", item.prompt_id)


@require_POST
@for_researchers
def unmark(request: SignedInRequest, pk: int) -> HttpResponse:
    item = access.gold_item(request.user, pk)
    gold.unmark(item, request.user)
    messages.success(request, _("This prompt is no gold item any more."))
    return redirect("campaign-gold", item.prompt.campaign_id)
