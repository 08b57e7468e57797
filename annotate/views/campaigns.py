"""Campaigns for researchers: the list, one campaign at a glance, its settings, instructions and members."""

from django.contrib import messages
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from annotate import access
from annotate.actions import campaigns, sampling
from annotate.campaign_forms import CampaignForm, InstructionsForm, MembersForm
from annotate.forms import posted
from annotate.kept import PROGRESS, shown
from annotate.models import EngineStatus, Sampling, SkipKind, current_policy
from annotate.paging import page_of
from annotate.progress import ACCURACY, Glance, history
from annotate.signed_in import SignedInRequest, for_researchers
from annotate.suggested import taken

PROMPTS_A_PAGE = 50


@require_GET
@for_researchers
def campaign_list(request: SignedInRequest) -> HttpResponse:
    rows = [
        (row, shown(row, PROGRESS).figures, current_policy(row)) for row in access.campaigns(request.user)
    ]
    return render(request, "campaigns/list.html", {"rows": rows})


@require_http_methods(["GET", "POST"])
@for_researchers
def create(request: SignedInRequest) -> HttpResponse:
    form = CampaignForm(posted(request))
    if form.is_valid():
        campaign = campaigns.create_campaign(request.user, **form.cleaned_data)
        messages.success(request, _("The campaign is there. Write its instructions, then choose who labels."))
        return redirect("campaign-instructions", campaign.pk)
    status = 422 if form.errors else 200
    return render(request, "campaigns/create.html", {"form": form}, status=status)


@require_GET
@for_researchers
def campaign_page(request: SignedInRequest, pk: int) -> HttpResponse:
    campaign = access.campaign(request.user, pk)
    policy, so_far = current_policy(campaign), shown(campaign, PROGRESS)
    context = {
        "campaign": campaign,
        "kept": so_far.kept,
        "glance": so_far.figures,
        **(in_words(so_far.figures) if so_far.figures else {}),
        "taken": taken(campaign),
        "policy": policy,
        "lineage": policy.lineage if policy else [],
        "engines": EngineStatus.objects.order_by("-seen_at")[:3],
        "runs": campaign.runs.select_related("checkpoint")[:8],
    }
    return render(request, "campaigns/campaign.html", context)


def in_words(glance: Glance) -> dict[str, object]:
    """Return states and reasons with the words that people read for them."""
    return {
        "by_sampling": [
            (state, Sampling(state).label, count) for state, count in glance.progress.by_sampling
        ],
        "skips": [(SkipKind(reason).label, *counts) for reason, *counts in glance.skips],
    }


@require_GET
@for_researchers
def metrics(request: SignedInRequest, pk: int) -> JsonResponse:
    """Answer what the campaign's plots show, in the shape of a run's metrics."""
    campaign = access.campaign(request.user, pk)
    families = {
        _("Rankings submitted"): ["rankings"],
        _("Hours worked"): ["hours"],
        _("Held-out accuracy"): list(ACCURACY),
    }
    so_far = shown(campaign, PROGRESS).figures
    steps = history(campaign, so_far.days if so_far else [])
    named = {name for _time, numbers in steps for name in numbers}
    drawn = {title: names for title, names in families.items() if named.intersection(names)}
    return JsonResponse({"steps": steps, "families": drawn, "is_more": False})


@require_http_methods(["GET", "POST"])
@for_researchers
def settings(request: SignedInRequest, pk: int) -> HttpResponse:
    campaign = access.campaign(request.user, pk)
    form = CampaignForm(posted(request), instance=access.campaign(request.user, pk))
    if form.is_valid():
        campaigns.change_campaign(campaign, request.user, **form.cleaned_data)
        messages.success(request, _("The settings are saved."))
        return redirect("campaign-settings", pk)
    status = 422 if form.errors else 200
    return render(request, "campaigns/settings.html", {"campaign": campaign, "form": form}, status=status)


@require_http_methods(["GET", "POST"])
@for_researchers
def instructions(request: SignedInRequest, pk: int) -> HttpResponse:
    campaign = access.campaign(request.user, pk)
    versions = campaign.instructions.select_related("created_by")
    newest = versions.first()
    form = InstructionsForm(posted(request), initial={"text": newest.text if newest else ""})
    if form.is_valid():
        written = campaigns.write_instructions(campaign, request.user, form.cleaned_data["text"])
        messages.success(
            request, _("Version %(number)d is what labelers read now.") % {"number": written.version}
        )
        return redirect("campaign-instructions", pk)
    context = {"campaign": campaign, "form": form, "newest": newest, "versions": versions}
    return render(request, "campaigns/instructions.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@for_researchers
def members(request: SignedInRequest, pk: int) -> HttpResponse:
    campaign = access.campaign(request.user, pk)
    form = MembersForm(posted(request), initial=campaigns.people_in(campaign))
    if form.is_valid():
        for listed in campaigns.LISTS:
            campaigns.change_people(campaign, request.user, listed, *form.changes(listed))
        messages.success(request, _("The members are saved."))
        return redirect("campaign-members", pk)
    status = 422 if form.errors else 200
    return render(request, "campaigns/members.html", {"campaign": campaign, "form": form}, status=status)


@require_GET
@for_researchers
def prompts(request: SignedInRequest, pk: int) -> HttpResponse:
    campaign = access.campaign(request.user, pk)
    rows = access.prompts(request.user).filter(campaign=campaign).select_related("author")
    wanted = request.GET.get("sampling", "")
    if wanted in Sampling.values:
        rows = rows.filter(sampling=wanted)
    context = {
        "campaign": campaign,
        "page": page_of(rows, PROMPTS_A_PAGE, request.GET),
        "states": Sampling.choices,
        "wanted": wanted,
        "failed": campaign.prompts.filter(sampling=Sampling.FAILED).count(),
    }
    return render(request, "campaigns/prompts.html", context)


@require_POST
@for_researchers
def retry_failed(request: SignedInRequest, pk: int) -> HttpResponse:
    campaign = access.campaign(request.user, pk)
    count = sampling.retry_failed(campaign, request.user)
    words = ngettext("%(count)d prompt is queued again.", "%(count)d prompts are queued again.", count)
    messages.success(request, words % {"count": count})
    return redirect("campaign-prompts", pk)
