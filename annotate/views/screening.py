"""Screening: the report on candidates, grading their demonstrations, deciding, and their own assessment."""

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from annotate import access
from annotate.actions import screening
from annotate.actions.screening import BEST_GRADE
from annotate.errors import Invalid
from annotate.forms import as_written, whole_number
from annotate.models import Campaign, Demonstration
from annotate.people_forms import DecisionForm
from annotate.screening_figures import FLAGS_CUTOFF, GRADE_CUTOFF, RANKINGS_CUTOFF
from annotate.screening_report import candidates, next_to_grade, to_grade
from annotate.signed_in import SignedInRequest, for_admins, for_researchers

LONGEST_NUMBER = 19


@require_GET
@for_researchers
def report(request: SignedInRequest, pk: int) -> HttpResponse:
    campaign = access.screening(request.user, pk)
    return render(request, "screening/report.html", context_of(campaign, request))


@require_http_methods(["GET", "POST"])
@for_researchers
def grade(request: SignedInRequest, pk: int) -> HttpResponse:
    """Show one demonstration after another, their writers unnamed; a POST grades one."""
    campaign = access.screening(request.user, pk)
    waiting = to_grade(campaign, request.user)
    chosen: Demonstration | None
    error = None
    if request.method == "POST":
        number = request.POST.get("demonstration", "")
        if not (number.isascii() and number.isdigit() and len(number) < LONGEST_NUMBER):
            raise Invalid(_("Grade: say of which demonstration."))
        chosen = given = get_object_or_404(waiting, pk=int(number))
        try:
            screening.grade(given, request.user, whole_number(request.POST, "grade") or 0)
        except Invalid as refused:
            error = refused
        else:
            return redirect("screening-grade", pk)
    else:
        chosen = next_to_grade(campaign, request.user)
    context = {
        "campaign": campaign,
        "demonstration": chosen,
        "left": waiting.count(),
        "error": error,
        "grades": range(1, BEST_GRADE + 1),
    }
    return render(request, "screening/grade.html", context, status=422 if error else 200)


@require_POST
@for_admins
def decide(request: SignedInRequest, pk: int) -> HttpResponse:
    campaign = access.screening(request.user, pk)
    form = decision_form(request, request.POST)
    if form.is_valid():
        try:
            decision = screening.decide(campaign, request.user, **form.cleaned_data)
        except Invalid as refused:
            form.add_error(None, str(refused))
        else:
            words = _("%(name)s is accepted.") if decision.is_accepted else _("%(name)s is declined.")
            messages.success(request, words % {"name": decision.candidate})
            return redirect("campaign-screening", pk)
    context = context_of(campaign, request, form)
    return render(request, "screening/report.html", context, status=422)


def context_of(
    campaign: Campaign, request: SignedInRequest, refused: DecisionForm | None = None
) -> dict[str, object]:
    """Return what the report shows; what was refused stands again where it was typed."""
    fresh, about = decision_form(request), refused and refused.data.get("candidate")
    return {
        "campaign": campaign,
        "candidates": [
            (one, refused if about == str(one.user.pk) else fresh) for one in candidates(campaign)
        ],
        "to_grade": to_grade(campaign, request.user).count(),
        "cutoffs": {"flags": FLAGS_CUTOFF, "rankings": RANKINGS_CUTOFF, "grade": GRADE_CUTOFF},
        "refused": refused,
    }


def decision_form(request: SignedInRequest, data: QueryDict | None = None) -> DecisionForm:
    people, campaigns = access.people(request.user), access.campaigns_to_join(request.user)
    return DecisionForm(data, auto_id=False, people=people, campaigns=campaigns)


@require_http_methods(["GET", "POST"])
def assess_oneself(request: SignedInRequest, pk: int) -> HttpResponse:
    campaign = access.candidacy(request.user, pk)
    said = campaign.self_assessments.filter(labeler=request.user).first()
    text, error = said.text if said else "", None
    if request.method == "POST":
        text = as_written(request.POST.get("text", ""))
        try:
            screening.assess_oneself(campaign, request.user, text)
        except Invalid as refused:
            error = refused
        else:
            messages.success(request, _("Your answer is kept; you can change it."))
            return redirect("home")
    context = {"campaign": campaign, "text": text, "error": error}
    return render(request, "screening/self_assessment.html", context, status=422 if error else 200)
