"""Writing a prompt: a single request, a few-shot prompt, or one for a use case."""

from django.contrib import messages
from django.forms import Form
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from annotate import access
from annotate.access import SignedInRequest
from annotate.actions import prompts
from annotate.errors import Invalid
from annotate.forms import FewShotForm, PlainForm, UseCaseForm, pairs
from annotate.models import Campaign, Kind

PAIRS_SHOWN = 3


@require_http_methods(["GET", "POST"])
def write_prompt(request: SignedInRequest, campaign_pk: int) -> HttpResponse:
    """Write a single request; with ?kind=use_case, one for a use case."""
    campaign = access.labeling_campaign(request.user, campaign_pk)
    kind = Kind.USE_CASE if request.GET.get("kind") == Kind.USE_CASE else Kind.PLAIN
    form = (UseCaseForm if kind == Kind.USE_CASE else PlainForm)(request.POST or None)
    if request.method == "GET" or not form.is_valid():
        return page(request, campaign, kind, form)
    data = form.cleaned_data
    turns = [{"role": "user", "content": data["text"]}]
    use_case = data.get("use_case", "")
    category = data.get("category", use_case)
    try:
        prompt = prompts.write_prompt(campaign, request.user, kind, turns, use_case, category)
    except Invalid as error:
        form.add_error("text", str(error))
        return page(request, campaign, kind, form)
    return redirect("prompt", prompt.pk)


@require_http_methods(["GET", "POST"])
def write_few_shot(request: SignedInRequest, campaign_pk: int) -> HttpResponse:
    campaign = access.labeling_campaign(request.user, campaign_pk)
    form = FewShotForm(request.POST or None)
    if request.method == "GET" or not form.is_valid():
        return page(request, campaign, Kind.FEW_SHOT, form)
    instruction, category = form.cleaned_data["instruction"], form.cleaned_data["category"]
    try:
        written = prompts.write_few_shot(campaign, request.user, instruction, pairs(request.POST), category)
    except Invalid as error:
        form.add_error(None, str(error))
        return page(request, campaign, Kind.FEW_SHOT, form)
    messages.success(request, _("%(count)d prompts written, one for each pair.") % {"count": len(written)})
    return redirect("prompts")


def page(request: SignedInRequest, campaign: Campaign, kind: Kind, form: Form) -> HttpResponse:
    typed = pairs(request.POST)
    context = {
        "campaign": campaign,
        "kind": kind,
        "form": form,
        "pairs": typed + [None] * max(0, PAIRS_SHOWN - len(typed)),
    }
    return render(request, "write/write.html", context, status=422 if form.errors else 200)
