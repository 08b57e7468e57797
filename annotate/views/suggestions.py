"""Suggestions on the pages where people write: asking for one, and watching it come."""

from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from annotate import access
from annotate.actions import suggestions
from annotate.models import Suggestion, SuggestionState
from annotate.signed_in import SignedInRequest


@require_POST
def suggest_completion(request: SignedInRequest, demonstration_pk: int) -> HttpResponse:
    prompt = access.demonstration(request.user, demonstration_pk).prompt
    suggestion = suggestions.ask(prompt.campaign, request.user, prompt.messages, prompt=prompt)
    if not request.htmx:
        return redirect("demonstration", demonstration_pk)
    return fragment(request, suggestion)


@require_safe
def suggestion(request: SignedInRequest, pk: int) -> HttpResponse:
    """One suggestion for the page that waits for it."""
    suggestion = access.suggestion(request.user, pk)
    return HttpResponse(status=204) if is_known(request, suggestion) else fragment(request, suggestion)


def is_known(request: SignedInRequest, suggestion: Suggestion | None) -> bool:
    """Tell whether the page shows this state already: what is not swapped, nobody hears again."""
    return suggestion is not None and request.GET.get("state") == suggestion.state


def fragment(request: SignedInRequest, suggestion: Suggestion) -> HttpResponse:
    return render(request, "suggestions/_suggestion.html", {"suggestion": suggestion})


def begun_from(request: SignedInRequest, asked: QuerySet[Suggestion]) -> Suggestion | None:
    """Return the suggestion that a form's text began from, one of those that were asked for here."""
    told = request.POST.get("suggestion", "")
    written = asked.filter(state=SuggestionState.DONE)
    return written.filter(pk=int(told)).first() if told.isascii() and told.isdigit() else None
