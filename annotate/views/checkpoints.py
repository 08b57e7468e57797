"""Checkpoints: a campaign's policies and reward models, what each grew from, and making a policy current."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from annotate import access
from annotate.actions.checkpoints import promote
from annotate.campaign_forms import PromotionForm
from annotate.models import Campaign, Checkpoint, CheckpointKind, User, current_policy
from annotate.plots import in_words
from annotate.signed_in import SignedInRequest, for_researchers

CHECKPOINTS_A_PAGE = 50


@require_GET
@for_researchers
def checkpoint_list(request: SignedInRequest, pk: int | None = None) -> HttpResponse:
    """List all checkpoints that have weights, or one campaign's with its promotions."""
    campaign = access.campaign(request.user, pk) if pk is not None else None
    rows = access.checkpoints(request.user).exclude(location="")
    rows = rows.select_related("parent", "made_by", "campaign")
    promotions = access.promotions(request.user)
    if campaign:
        rows, promotions = rows.filter(campaign=campaign), promotions.filter(campaign=campaign)
    context = {
        "campaign": campaign,
        "page": Paginator(rows, CHECKPOINTS_A_PAGE).get_page(request.GET.get("page")),
        "promotions": promotions[:20],
        "policy": current_policy(campaign) if campaign else None,
    }
    return render(request, "checkpoints/list.html", context)


@require_GET
@for_researchers
def checkpoint_page(request: SignedInRequest, pk: int) -> HttpResponse:
    checkpoint = access.checkpoint(request.user, pk)
    context = {
        **context_of(request.user, checkpoint),
        "form": PromotionForm(),
        "places": places(request, checkpoint),
    }
    return render(request, "checkpoints/checkpoint.html", context)


@require_POST
@for_researchers
def make_current(request: SignedInRequest, pk: int, campaign_pk: int) -> HttpResponse:
    checkpoint = access.checkpoint(request.user, pk)
    campaign = access.campaign(request.user, campaign_pk)
    form = PromotionForm(request.POST)
    if form.is_valid():
        promote(campaign, checkpoint, request.user, form.cleaned_data["reason"])
        messages.success(request, _("%(policy)s answers the next prompts now.") % {"policy": checkpoint})
        return redirect("campaign-checkpoints", campaign.pk)
    context = {**context_of(request.user, checkpoint), "form": form, "places": [campaign]}
    return render(request, "checkpoints/checkpoint.html", context, status=422)


def context_of(user: User, checkpoint: Checkpoint) -> dict[str, object]:
    promotions = access.promotions(user).filter(policy=checkpoint)
    return {
        "checkpoint": checkpoint,
        "campaign": checkpoint.campaign,
        "lineage": checkpoint.lineage,
        "children": checkpoint.children.all(),
        "made_by": getattr(checkpoint, "made_by", None),
        "numbers": in_words(checkpoint.summary),
        "samples": checkpoint.summary.get("samples") or [],
        "promotions": promotions,
        "was_current_in": {promotion.campaign_id for promotion in promotions},
    }


def places(request: SignedInRequest, checkpoint: Checkpoint) -> list[Campaign]:
    """Return the campaigns that could take this policy and do not sample it now."""
    if checkpoint.kind != CheckpointKind.POLICY or not checkpoint.location:
        return []
    rows = access.campaigns(request.user)
    if checkpoint.campaign_id:
        rows = rows.filter(pk=checkpoint.campaign_id)
    return [row for row in rows if current_policy(row) != checkpoint]
