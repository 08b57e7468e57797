"""Comparing: two outputs of a ranking side by side, their different words marked."""

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from annotate import access
from annotate.errors import Invalid
from annotate.signed_in import SignedInRequest
from annotate.word_diff import difference


@require_safe
def compare(request: SignedInRequest, pk: int) -> HttpResponse:
    """Show the outputs named by `left` and `right`, letters of this labeler's page."""
    rows = access.ranking(request.user, pk).ranked_completions.select_related("completion")
    texts = {row.letter: row.completion.text for row in rows}
    chosen = [request.GET.get(side, "") for side in ("left", "right")]
    for letter in chosen:
        if letter not in texts:
            raise Invalid(_("Output %(letter)s is not in this ranking.") % {"letter": letter})
    marked = difference(*(texts[letter] for letter in chosen))
    return render(request, "rank/_comparison.html", {"sides": zip(chosen, marked, strict=True)})
