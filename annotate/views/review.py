"""Reviewing: what labelers disagree on, one prompt after another; the ranking itself is the desk's page."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from annotate import access
from annotate.actions import reviews
from annotate.kept import REVIEW, shown
from annotate.models import ClaimState
from annotate.reviewed import MOST_WAITING, waiting
from annotate.signed_in import SignedInRequest, for_researchers

LATEST = 20


@require_safe
@for_researchers
def review_page(request: SignedInRequest, pk: int) -> HttpResponse:
    campaign = access.campaign(request.user, pk)
    reviews = access.judged_rankings(request.user).filter(prompt__campaign=campaign, is_review=True)
    rows = reviews.select_related("prompt")
    known = shown(campaign, REVIEW)
    found = waiting(campaign, request.user, known.figures or [])
    context = {
        "campaign": campaign,
        "kept": known.kept,
        "waiting": found,
        "is_more": len(found) == MOST_WAITING,
        "begun": rows.filter(state=ClaimState.CLAIMED),
        "done": rows.filter(state=ClaimState.SUBMITTED).order_by("-submitted_at")[:LATEST],
    }
    return render(request, "review/review.html", context)


@require_POST
def claim_next(request: SignedInRequest, pk: int) -> HttpResponse:
    campaign = access.reviewing_campaign(request.user, pk)
    if claimed := reviews.claim_next(campaign, request.user):
        return redirect("ranking", claimed.pk)
    messages.info(request, _("Nothing waits for a second look that you have not ranked or written yourself."))
    return after(request, pk)


def after(request: SignedInRequest, campaign: int) -> HttpResponse:
    """Bring a reviewer back to where reviews begin: a page for researchers, home for labelers."""
    return redirect("campaign-review", campaign) if request.user.is_researcher else redirect("home")
