"""The data, looked at: the paper's tables of one campaign."""

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from annotate import access
from annotate.asked import CATEGORIES
from annotate.collected import DATASETS, Collected
from annotate.kept import TABLES, shown
from annotate.models import PromptFlag, Source, Split
from annotate.signed_in import SignedInRequest, for_researchers

# InstructGPT, table 1: the shares of its customers' prompts.
PAPER_SHARES = {
    "generation": 0.456,
    "open_qa": 0.124,
    "brainstorming": 0.112,
    "chat": 0.084,
    "rewrite": 0.066,
    "summarization": 0.042,
    "classification": 0.035,
    "other": 0.035,
    "closed_qa": 0.026,
    "extract": 0.019,
}
LANGUAGES_SHOWN = 20


@require_GET
@for_researchers
def collected_page(request: SignedInRequest, pk: int) -> HttpResponse:
    campaign = access.campaign(request.user, pk)
    found = shown(campaign, TABLES)
    context: dict[str, object] = {
        "campaign": campaign,
        "kept": found.kept,
        "tables": found.figures,
        "datasets": DATASETS,
    }
    context |= in_words(found.figures) if found.figures else {}
    return render(request, "collected/collected.html", context)


def in_words(tables: Collected) -> dict[str, object]:
    """Return the tables' rows with the words that people read for what the rows say."""
    splits = dict(Split.choices)
    sources = {**dict(Source.choices), "": _("Nobody says")}
    categories = {name: str(label) for name, label in CATEGORIES}
    parts = {"prompt": _("Prompt"), "demonstration": _("Demonstration")}
    return {
        "sizes": [(splits[split], sources[source], counts) for split, source, counts in tables.sizes],
        "categories": [
            (categories.get(one.name, one.name), one, PAPER_SHARES.get(one.name)) for one in tables.categories
        ],
        "languages": tables.languages[:LANGUAGES_SHOWN],
        "columns": [(dataset, splits[split]) for dataset, split in tables.columns],
        "flags": [(PromptFlag(flag).label, row) for flag, row in tables.flags],
        "customers": [(splits[split], row) for split, row in tables.customers],
        "by_dataset": [(dataset, splits[split], one) for dataset, split, one in tables.by_dataset],
        "by_category": [(categories.get(name, name), one) for name, one in tables.by_category],
        "by_source": [(sources[source], parts[what], one) for source, what, one in tables.by_source],
        "plot": {
            "steps": tables.histogram,
            "families": {
                _("Share of prompts by length"): list(tables.histogram[0][1]) if tables.histogram else []
            },
            "is_more": False,
        },
    }
