"""How far the figures of a big campaign are: asked for again and again until they are worked out."""

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from annotate import access
from annotate.actions.kept_figures import ask_anew
from annotate.kept import SUBJECTS
from annotate.signed_in import SignedInRequest, for_researchers

PAGES = {
    "progress": "campaign",
    "tables": "campaign-tables",
    "agreement": "campaign-agreement",
    "review": "campaign-review",
    "win_rates": "campaign-policies",
}


@require_GET
@for_researchers
def figures(request: SignedInRequest, pk: int, subject: str) -> HttpResponse:
    """Answer the line that says how old they are; once they are new, have the page fetched anew."""
    campaign = access.campaign(request.user, pk)
    if subject not in SUBJECTS:
        raise Http404
    kept = access.kept_figures(request.user, campaign, subject)
    response = render(request, "figures/_as_of.html", {"kept": kept})
    if not kept.is_under_way:
        response["HX-Refresh"] = "true"
    return response


@require_POST
@for_researchers
def anew(request: SignedInRequest, pk: int, subject: str) -> HttpResponse:
    campaign = access.campaign(request.user, pk)
    if subject not in SUBJECTS:
        raise Http404
    ask_anew(campaign, subject)
    return redirect(PAGES[subject], pk)
