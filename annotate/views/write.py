"""Writing a prompt: a single request, a few-shot prompt, or one for a use case."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from annotate import access
from annotate.actions import prompts
from annotate.errors import Invalid
from annotate.forms import FewShotForm, PlainForm, PromptForm, UseCaseForm, as_written, pairs, posted
from annotate.intake import length_of
from annotate.models import Campaign, Kind
from annotate.signed_in import SignedInRequest

PAIRS_SHOWN = 3


@require_http_methods(["GET", "POST"])
def write_prompt(request: SignedInRequest, campaign_pk: int) -> HttpResponse:
    """Write a single request; with ?kind=use_case, one for a use case."""
    campaign = access.labeling_campaign(request.user, campaign_pk)
    sent = posted(request)
    kind, form = Kind.PLAIN, PlainForm(sent, campaign)
    if request.GET.get("kind") == Kind.USE_CASE:
        kind, form = Kind.USE_CASE, UseCaseForm(sent, campaign)
    if not form.is_valid():
        return page(request, campaign, kind, form)
    told = form.cleaned_data
    turns = [{"role": "user", "content": told.pop("text")}]
    try:
        prompt = prompts.write_prompt(campaign, request.user, kind, turns, **told)
    except Invalid as error:
        form.add_error("text", str(error))
        return page(request, campaign, kind, form)
    return redirect("prompt", prompt.pk)


@require_http_methods(["GET", "POST"])
def write_few_shot(request: SignedInRequest, campaign_pk: int) -> HttpResponse:
    campaign = access.labeling_campaign(request.user, campaign_pk)
    form = FewShotForm(posted(request), campaign)
    if not form.is_valid():
        return page(request, campaign, Kind.FEW_SHOT, form)
    told = form.cleaned_data
    instruction, typed = told.pop("instruction"), pairs(request.POST)
    try:
        written = prompts.write_few_shot(campaign, request.user, instruction, typed, **told)
    except Invalid as error:
        form.add_error(None, str(error))
        return page(request, campaign, Kind.FEW_SHOT, form)
    messages.success(request, _("%(count)d prompts written, one for each pair.") % {"count": len(written)})
    return redirect("prompts")


@require_POST
def preview_few_shot(request: SignedInRequest, campaign_pk: int) -> HttpResponse:
    """Show how many prompts the pairs make so far, how long the longest is, and the first of them."""
    campaign = access.labeling_campaign(request.user, campaign_pk)
    instruction = as_written(request.POST.get("instruction", ""))
    talks = prompts.few_shot_prompts(instruction, pairs(request.POST))
    context = {
        "count": len(talks),
        "longest": max(map(length_of, talks), default=0),
        "limit": campaign.longest_prompt,
        "first": talks[0] if talks else [],
    }
    return render(request, "write/_preview.html", context)


def page(request: SignedInRequest, campaign: Campaign, kind: Kind, form: PromptForm) -> HttpResponse:
    typed = pairs(request.POST)
    context = {
        "campaign": campaign,
        "kind": kind,
        "form": form,
        "limit": campaign.longest_prompt,
        "pairs": typed + [None] * max(0, PAIRS_SHOWN - len(typed)),
    }
    return render(request, "write/write.html", context, status=422 if form.errors else 200)
