"""What ranking and demonstrating share: the way from one item to the next, and what a browser hears."""

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.functional import Promise
from django.views.decorators.http import require_safe

from annotate import access
from annotate.actions import answers, claims, demonstrations, rankings
from annotate.desk_access import LookedAt
from annotate.errors import Refused
from annotate.forms import as_written
from annotate.models import Campaign, ClaimState, Demonstration, Ranking, SkipKind
from annotate.signed_in import SignedInRequest
from annotate.today import changed_instructions, done_today
from annotate.views import review
from annotate.word_diff import difference

C = TypeVar("C", Ranking, Demonstration)


class Work(NamedTuple, Generic[C]):
    """What tells one kind of work from the other on the way from item to item."""

    noun: str
    """What its URLs are named by."""
    claim_next: Callable[..., C | None]
    page: Callable[..., HttpResponse]
    page_ahead: Callable[[SignedInRequest, Campaign, C], HttpResponse]
    """The page of an item that was just claimed, for the script that shows it later."""
    submitted: Promise
    nothing_left: Promise


def go_on(request: SignedInRequest, work: Work[C], campaign: Campaign) -> HttpResponse:
    """Show what this person does next in the campaign, or home if nothing is left."""
    if access.may_label(request.user, campaign) and (claimed := work.claim_next(campaign, request.user)):
        return redirect(work.noun, claimed.pk)
    messages.info(request, str(work.nothing_left) % {"campaign": campaign})
    return redirect("home")


def ahead(request: SignedInRequest, work: Work[C], looked_at: LookedAt[C]) -> HttpResponse:
    """Claim what comes after the item that is looked at, and answer with its page; 204 if nothing does."""
    claim = looked_at.claim
    claims.keep_open(claim)
    campaign = claim.prompt.campaign
    after = None
    if looked_at.may_go_on:
        after = work.claim_next(campaign, request.user, besides=claim.pk)
    if after is None:
        return HttpResponse(status=204)
    response = work.page_ahead(request, campaign, after)
    response["Content-Location"] = reverse(work.noun, args=[after.pk])
    return response


def draft_kept(kept: answers.Kept) -> HttpResponse:
    """Tell the browser which draft the server has now, and whether another one had to go for it."""
    headers = {"Podium-Draft": kept.name}
    if kept.was_newer:
        headers["Podium-Draft-Replaced"] = "true"
    return HttpResponse(status=204, headers=headers)


def submitted(request: SignedInRequest, work: Work[C], claim: C) -> HttpResponse:
    return answered(request, work, claim, "_undo.html")


def skip(request: SignedInRequest, work: Work[C], claim: C) -> HttpResponse:
    kind, reason = request.POST.get("kind", ""), as_written(request.POST.get("reason", ""))
    try:
        answers.skip(claim, kind, reason)
    except Refused as error:
        if request.htmx:
            raise
        return work.page(request, claim, error=error)
    return answered(request, work, claim, "_skipped.html")


def undo(work: Work[C], claim: C) -> HttpResponse:
    answers.undo(claim)
    return redirect(work.noun, claim.pk)


def answered(request: SignedInRequest, work: Work[C], claim: C, template: str) -> HttpResponse:
    """Say what was done. A script that sent the answer has the next page already; a form is led on.

    The claim is as it was before.
    """
    context = {
        "words": work.submitted,
        # Undoing the change of an answer that had counted would leave nothing that counts.
        "can_undo": claim.state != ClaimState.SUBMITTED or answers.can_undo(claim),
        "page_url": reverse(work.noun, args=[claim.pk]),
        "undo_url": reverse(f"undo-{work.noun}", args=[claim.pk]),
        "seconds": int(answers.UNDO_TIME.total_seconds()),
    }
    said = render_to_string(template, context, request)
    if request.htmx:
        return HttpResponse(said)
    messages.success(request, said)
    if claim.is_review:
        return review.after(request, claim.prompt.campaign_id)
    return go_on(request, work, claim.prompt.campaign)


def shared_context(work: Work[C], claim: C, error: Refused | None) -> dict[str, Any]:
    """Return what the pages of both kinds show around the work itself."""
    may_go_on = claim.state == ClaimState.CLAIMED and not claim.is_review
    return {
        work.noun: claim,
        "claim": claim,
        "prompt": claim.prompt,
        "error": error,
        "draft_name": answers.name_of_draft(claim),
        "ahead_url": reverse(f"{work.noun}-ahead", args=[claim.pk]) if may_go_on else "",
        "skip_url": reverse(f"skip-{work.noun}", args=[claim.pk]),
        "skip_kinds": SkipKind.choices,
        "today_url": f"{reverse('today', args=[claim.prompt.campaign_id])}?{work.noun}",
    }


@require_safe
def today(request: SignedInRequest, pk: int) -> HttpResponse:
    """A fragment: how far this person is today, what is left, and what changed in the instructions."""
    campaign = access.campaign(request.user, pk)
    kind, work = (Demonstration, demonstrations) if "demonstration" in request.GET else (Ranking, rankings)
    change = changed_instructions(kind, campaign, request.user)
    context = {
        "today": done_today(kind, campaign, request.user),
        "left": work.left(campaign, request.user),
        "is_about": kind is Ranking and campaign.hides_checks,
        "change": change,
        "difference": difference(change.old.text, change.new.text) if change else None,
    }
    return render(request, "_today.html", context)
