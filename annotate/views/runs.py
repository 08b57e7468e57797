"""Runs: the list, starting one, and the page of one run with its live plots."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from annotate import access, configs
from annotate.actions import runs
from annotate.errors import Refused
from annotate.forms import posted
from annotate.models import Run, Stage
from annotate.plots import families, in_words, over_kl
from annotate.run_forms import StartForm
from annotate.signed_in import SignedInRequest, for_researchers

RUNS_A_PAGE = 30
STEPS_AN_ANSWER = 5000


@require_GET
@for_researchers
def run_list(request: SignedInRequest, pk: int | None = None) -> HttpResponse:
    """List all runs, or one campaign's."""
    rows = access.runs(request.user).select_related("campaign", "created_by")
    campaign = access.campaign(request.user, pk) if pk is not None else None
    if campaign:
        rows = rows.filter(campaign=campaign)
    page = Paginator(rows, RUNS_A_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "campaign": campaign, "campaigns": access.campaigns(request.user)}
    return render(request, "runs/list.html", context)


@require_http_methods(["GET", "POST"])
@for_researchers
def start(request: SignedInRequest, pk: int, stage: str) -> HttpResponse:
    campaign = access.campaign(request.user, pk)
    if stage not in Stage.values:
        raise Http404
    presets = configs.presets(stage)
    preset = request.GET.get("preset", presets[0])
    if preset not in presets:
        raise Http404
    loadable = access.loadable_checkpoints(request.user, campaign)
    form = StartForm(campaign, stage, preset, loadable, posted(request))
    if form.is_valid():
        try:
            run = runs.start_run(campaign, stage, actor=request.user, **form.asked())
        except Refused as error:
            form.refuse(str(error))
        else:
            return redirect("run", run.pk)
    context = {"campaign": campaign, "form": form, "stage": Stage(stage), "stages": Stage, "presets": presets}
    return render(request, "runs/start.html", context, status=422 if form.errors else 200)


@require_GET
@for_researchers
def run_page(request: SignedInRequest, pk: int) -> HttpResponse:
    run = access.run(request.user, pk)
    return render(request, "runs/run.html", {"run": run, **said_so_far(run)})


@require_GET
@for_researchers
def status(request: SignedInRequest, pk: int) -> HttpResponse:
    """Answer the part of the run's page that changes; once the run is over, ask for the whole page anew."""
    run = access.run(request.user, pk)
    response = render(request, "runs/_progress.html", {"run": run, **said_so_far(run)})
    if not run.is_alive:
        response["HX-Refresh"] = "true"
    return response


@require_GET
@for_researchers
def metrics(request: SignedInRequest, pk: int) -> JsonResponse:
    """Answer the steps after ?after=STEP, with which metrics share a plot."""
    run = access.run(request.user, pk)
    after = request.GET.get("after", "0")
    rows = run.metrics.filter(step__gt=int(after) if after.isdecimal() else 0)
    steps = list(rows.values_list("step", "values")[:STEPS_AN_ANSWER])
    names = {name for _step, values in steps for name in values}
    is_more = run.is_alive or len(steps) == STEPS_AN_ANSWER
    over = over_kl(names)
    across = dict.fromkeys(over, "valid_kl")
    told = {"steps": steps, "families": families(names) | over, "across": across, "is_more": is_more}
    return JsonResponse(told)


@require_POST
@for_researchers
def cancel(request: SignedInRequest, pk: int) -> HttpResponse:
    runs.cancel_run(access.run(request.user, pk), request.user)
    messages.success(request, _("The run is asked to stop."))
    return redirect("run", pk)


@require_POST
@for_researchers
def retry(request: SignedInRequest, pk: int) -> HttpResponse:
    runs.retry_run(access.run(request.user, pk), request.user)
    messages.success(request, _("The run is queued again; it goes on from its last saved state."))
    return redirect("run", pk)


def said_so_far(run: Run) -> dict[str, Any]:
    """Return the last value of each metric and the step that said it, the plots in words; and the result."""
    last: dict[str, tuple[int, float]] = {}
    for step, values in run.metrics.order_by("-step").values_list("step", "values")[:200]:
        for name, value in values.items():
            last.setdefault(name, (step, value))
    return {"last_values": sorted(last.items()), "plain_result": in_words(run.result)}
