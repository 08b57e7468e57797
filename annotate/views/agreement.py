"""Agreement of a campaign's labelers."""

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from annotate import access
from annotate.agreement_report import Report
from annotate.asked import words_of
from annotate.figures import ENOUGH_PROMPTS, Figure
from annotate.kept import AGREEMENT, shown
from annotate.signed_in import SignedInRequest, for_researchers

LABELERS_IN_THE_MATRIX = 12


@require_GET
@for_researchers
def agreement_page(request: SignedInRequest, pk: int) -> HttpResponse:
    campaign = access.campaign(request.user, pk)
    found = shown(campaign, AGREEMENT)
    context: dict[str, object] = {"campaign": campaign, "kept": found.kept, "needed": ENOUGH_PROMPTS}
    context |= told(found.figures) if found.figures else {}
    return render(request, "agreement/agreement.html", context)


def told(report: Report) -> dict[str, object]:
    names = busiest(report)
    return {
        "report": report,
        "flags": [(words_of(name), figure) for name, figure in report.flag_alphas.items()],
        "names": names,
        "matrix": matrix(report, names),
        "over_time": over_time(report),
    }


def over_time(report: Report) -> dict[str, object]:
    """Return what the page's plot shows, in the shape of a run's metrics."""
    steps = [(point.time, numbers(point.agreement)) for point in report.over_time]
    return {"steps": steps, "families": {_("Agreement"): ["agreement", "low", "high"]}, "is_more": False}


def numbers(figure: Figure) -> dict[str, float | None]:
    return {"agreement": figure.value, "low": figure.low, "high": figure.high}


def busiest(report: Report) -> list[str]:
    """Return the names of those with the most rankings, as many as a matrix can show."""
    by_rankings = sorted(report.labelers, key=lambda one: -one.rankings)
    return sorted(one.labeler for one in by_rankings[:LABELERS_IN_THE_MATRIX])


def matrix(report: Report, names: list[str]) -> list[tuple[str, list[Figure | None]]]:
    """Return a row for each labeler, with a figure for each other one; None where they share no prompt."""
    figures = {frozenset(pair.of): pair.agreement for pair in report.pairs}
    return [(one, [figures.get(frozenset((one, other))) for other in names]) for one in names]
