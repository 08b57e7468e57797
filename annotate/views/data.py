"""Data of a campaign: exports and imports for admins, counts and snapshots for researchers."""

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from annotate import access, datasets, file_ranges, tables
from annotate.actions import transfers
from annotate.actions.audit import record
from annotate.actions.snapshot_files import file_of, is_at_hand
from annotate.data_card import card
from annotate.data_forms import ImportForm, SnapshotForm
from annotate.errors import Invalid, Refused
from annotate.kept import PROGRESS, shown
from annotate.models import Campaign, Purpose
from annotate.progress import Progress
from annotate.reviewed import has_reviews
from annotate.signed_in import SignedInRequest, for_admins, for_researchers

SHOWN_TRANSFERS = 10


@require_GET
@for_researchers
def data(request: SignedInRequest, pk: int) -> HttpResponse:
    campaign = access.campaign(request.user, pk)
    return render(request, "data/data.html", context_of(campaign))


@require_GET
@for_admins
def export(request: SignedInRequest, pk: int, kind: str, form: str) -> StreamingHttpResponse:
    """Stream one kind of rows in one format: the file begins at once and takes no memory."""
    campaign = access.campaign(request.user, pk)
    purpose = request.GET.get("purpose", Purpose.DATA)
    if kind not in datasets.KINDS or form not in tables.FORMATS or purpose not in Purpose.values:
        raise Http404
    record(request.user, "exported", campaign, kind=kind, format=form, purpose=purpose)
    only_reviews = request.GET.get("only_reviews") == "yes"
    chosen = datasets.of_campaign(campaign, only_reviews=only_reviews, purpose=purpose)
    lines = datasets.lines(kind, chosen)
    sent = tables.blocks(tables.chunks(kind, form, lines))
    response = StreamingHttpResponse(sent, content_type=tables.CONTENT_TYPES[form])
    which = "" if purpose == Purpose.DATA else f"{purpose}."
    name = f"{slugify(campaign.name) or campaign.pk}.{which}{kind}.{form}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@require_POST
@for_admins
def upload(request: SignedInRequest, pk: int) -> HttpResponse:
    """Keep the file and let a worker take it in."""
    campaign = access.campaign(request.user, pk)
    form = ImportForm(request.POST, request.FILES)
    if not form.is_valid():
        return render(request, "data/data.html", context_of(campaign, form=form), status=422)
    said = form.cleaned_data
    begun = transfers.ask_for_import(campaign, request.user, said["kind"], said["file"], said["keep_good"])
    return redirect("transfer", begun.pk)


@require_POST
@for_researchers
def snapshot_now(request: SignedInRequest, pk: int) -> HttpResponse:
    campaign = access.campaign(request.user, pk)
    form = SnapshotForm(campaign, request.POST)
    if form.is_valid():
        try:
            begun = transfers.ask_for_snapshot(campaign, request.user, form.asked())
        except Invalid as error:
            form.add_error(None, str(error))
        else:
            return redirect("transfer", begun.pk)
    return render(request, "data/data.html", context_of(campaign, query=form), status=422)


@require_GET
@for_researchers
def snapshot(request: SignedInRequest, pk: int) -> HttpResponse:
    row = access.snapshot(request.user, pk)
    context: dict[str, object] = {"campaign": row.campaign, "snapshot": row, "runs": row.runs.all()}
    context["kinds"] = [
        (kind, row.manifest.get(kind), [(form, is_at_hand(row, kind, form)) for form in tables.FORMATS])
        for kind in datasets.KINDS
    ]
    steps = row.facts.get("histogram", [])
    told = {_("Share of texts by length"): list(steps[0][1]) if steps else []}
    context |= {"card": card(row, level=3), "plot": {"steps": steps, "families": told, "is_more": False}}
    return render(request, "data/snapshot.html", context)


@require_GET
@for_researchers
def snapshot_card(request: SignedInRequest, pk: int) -> HttpResponse:
    """Answer the data card as a Markdown file."""
    row = access.snapshot(request.user, pk)
    response = HttpResponse(card(row), content_type="text/markdown; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="snapshot-{row}.md"'
    return response


@require_GET
@for_admins
def snapshot_file(request: SignedInRequest, pk: int, kind: str, form: str) -> HttpResponseBase:
    """Answer a snapshot's file, or the rest of it where a download broke off."""
    row = access.snapshot(request.user, pk)
    if kind not in datasets.KINDS or form not in tables.FORMATS:
        raise Http404
    record(request.user, "downloaded", row, kind=kind, format=form)
    try:
        file = file_of(row, kind, form)
    except FileNotFoundError as error:
        raise Http404 from error
    except Refused as error:
        messages.error(request, str(error))
        return redirect("snapshot", pk)
    return file_ranges.answer(request.headers, file.path, file.sha256, tables.CONTENT_TYPES[form])


@require_POST
@for_admins
def make_snapshot_file(request: SignedInRequest, pk: int, kind: str, form: str) -> HttpResponse:
    """Let a worker make a file of a snapshot."""
    row = access.snapshot(request.user, pk)
    if kind not in datasets.KINDS or form not in tables.FORMATS:
        raise Http404
    begun = transfers.ask_for_file(row, request.user, kind, form)
    return redirect("transfer", begun.pk)


def context_of(
    campaign: Campaign, *, form: ImportForm | None = None, query: SnapshotForm | None = None
) -> dict[str, object]:
    so_far = shown(campaign, PROGRESS)
    return {
        "form": form or ImportForm(),
        "kinds": kinds_of(so_far.figures.progress if so_far.figures else None),
        "forms": tables.FORMATS,
        "checks": [Purpose.GOLD, Purpose.REPEAT],
        "query": query or SnapshotForm(campaign),
        "is_reviewed": has_reviews(campaign),
        "campaign": campaign,
        "kept": so_far.kept,
        "transfers": campaign.transfers.defer("problems").select_related("created_by")[:SHOWN_TRANSFERS],
        "snapshots": campaign.snapshots.select_related("created_by")[:50],
    }


def kinds_of(so_far: Progress | None) -> list[tuple[str, str, str, int | None]]:
    """Return each kind that goes out: its name, what it is called, what reads it, and how many rows."""
    return [
        ("rankings", _("Rankings"), "", so_far and so_far.rankings),
        ("comparisons", _("Comparisons"), "RewardTrainer, DPOTrainer", so_far and so_far.comparisons),
        ("unpaired", _("Good and bad completions"), "KTOTrainer", None),
        ("rated", _("Completions rated 7"), "FeedME", None),
        ("demonstrations", _("Demonstrations"), "", so_far and so_far.demonstrations),
        ("sft", _("Demonstrations as chats"), "SFTTrainer", so_far and so_far.demonstrations),
        ("prompts", _("Prompts"), "", so_far and so_far.prompts),
    ]
