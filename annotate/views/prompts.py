"""A person's own prompts, and one prompt with its completions as they arrive."""

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from annotate import access
from annotate.actions import sampling
from annotate.models import ClaimState, Sampling
from annotate.paging import page_of
from annotate.signed_in import SignedInRequest

PROMPTS_A_PAGE = 50
UNDER_WAY = (Sampling.QUEUED, Sampling.RUNNING)


@require_safe
def prompts(request: SignedInRequest) -> HttpResponse:
    own = access.prompts(request.user).filter(author=request.user).select_related("campaign")
    page = page_of(own, PROMPTS_A_PAGE, request.GET)
    context = {"page": page, "is_under_way": any(prompt.sampling in UNDER_WAY for prompt in page.rows)}
    template = "prompts/_table.html" if request.htmx else "prompts/prompts.html"
    return render(request, template, context)


@require_safe
def prompt(request: SignedInRequest, pk: int) -> HttpResponse:
    """One prompt; htmx asks for its completions alone, again and again until the sampling ends."""
    prompt = access.prompt(request.user, pk)
    completions = list(prompt.completions.select_related("policy"))
    is_labeler = prompt.campaign.labelers.filter(pk=request.user.pk).exists()
    context = {
        "prompt": prompt,
        "decisions": prompt.intake_decisions.filter(reversed_at=None),
        "completions": completions,
        "wanted": max(prompt.campaign.k, len(completions)),
        "is_under_way": prompt.sampling in UNDER_WAY,
        "can_rank": is_labeler and prompt.campaign.is_open and prompt.sampling == Sampling.SAMPLED,
    }
    if request.user.is_researcher and not request.htmx:
        submitted = prompt.rankings.filter(state=ClaimState.SUBMITTED).select_related("labeler")
        context["rankings"] = submitted.prefetch_related("ranked_completions__completion")
    return render(request, "prompts/_completions.html" if request.htmx else "prompts/prompt.html", context)


@require_POST
def retry(request: SignedInRequest, pk: int) -> HttpResponse:
    prompt = access.prompt(request.user, pk)
    sampling.retry(prompt, request.user)
    return redirect("prompt", prompt.pk)
