"""Transfers: how far an import or a snapshot in the making is, what is wrong with a file, and another try."""

from django.contrib import messages
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from annotate import access, tables
from annotate.actions import transfers
from annotate.models import RunState, Transfer
from annotate.signed_in import SignedInRequest, for_researchers

SHOWN_PROBLEMS = 50


@require_GET
@for_researchers
def transfer_page(request: SignedInRequest, pk: int) -> HttpResponse:
    row = access.transfer(request.user, pk)
    if row.snapshot_id and row.state == RunState.SUCCEEDED:
        return redirect("snapshot", row.snapshot_id)
    return render(request, "transfers/transfer.html", context_of(row))


@require_GET
@for_researchers
def status(request: SignedInRequest, pk: int) -> HttpResponse:
    """Answer the part of the page that changes; once it is over, ask for the whole page anew."""
    row = access.transfer(request.user, pk)
    response = render(request, "transfers/_status.html", context_of(row))
    if not row.is_alive:
        response["HX-Refresh"] = "true"
    return response


@require_POST
@for_researchers
def cancel(request: SignedInRequest, pk: int) -> HttpResponse:
    transfers.cancel(access.transfer(request.user, pk), request.user)
    messages.success(request, _("It is asked to stop; nothing of it is kept."))
    return redirect("transfer", pk)


@require_POST
@for_researchers
def retry(request: SignedInRequest, pk: int) -> HttpResponse:
    keep_good = "keep_good" in request.POST
    transfers.retry(access.transfer(request.user, pk), request.user, keep_good)
    return redirect("transfer", pk)


@require_GET
@for_researchers
def problems(request: SignedInRequest, pk: int) -> StreamingHttpResponse:
    """Answer the refused lines as CSV: the number of each and what is wrong with it."""
    row = access.transfer(request.user, pk)
    lines = tables.safe_csv([("line", "problem"), *row.problems])
    response = StreamingHttpResponse(lines, content_type=tables.CONTENT_TYPES["csv"])
    response["Content-Disposition"] = f'attachment; filename="import-{row.pk}-problems.csv"'
    return response


def context_of(row: Transfer) -> dict[str, object]:
    return {"transfer": row, "campaign": row.campaign, "problems": row.problems[:SHOWN_PROBLEMS]}
