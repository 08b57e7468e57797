"""Dialogues: those of a campaign, and one of them, written message by message."""

from collections.abc import Callable

from django.core.paginator import Paginator
from django.db.models import Count
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from annotate import access
from annotate.actions import dialogues
from annotate.errors import Invalid, Refused
from annotate.forms import as_written, seconds
from annotate.models import Dialogue, DialogueMode, DialogueState, Suggestion
from annotate.signed_in import SignedInRequest
from annotate.views.suggestions import begun_from, fragment, is_known

DIALOGUES_A_PAGE = 50


@require_safe
def dialogue_list(request: SignedInRequest, campaign_pk: int) -> HttpResponse:
    """The campaign's dialogues that this person may read, with the two ways to begin one."""
    campaign = access.campaign(request.user, campaign_pk)
    rows = access.dialogues(request.user).filter(campaign=campaign).select_related("author")
    rows = rows.with_beginning().annotate(messages=Count("turns")).order_by("-pk")
    context = {
        "campaign": campaign,
        "page": Paginator(rows, DIALOGUES_A_PAGE).get_page(request.GET.get("page")),
        "may_write": access.may_label(request.user, campaign),
    }
    return render(request, "dialogues/dialogues.html", context)


@require_POST
def open_dialogue(request: SignedInRequest, campaign_pk: int) -> HttpResponse:
    campaign = access.labeling_campaign(request.user, campaign_pk)
    mode = request.POST.get("mode", "")
    if mode not in DialogueMode:
        raise Invalid(_("Mode: write both sides, or chat."))
    return redirect("dialogue", dialogues.open_dialogue(campaign, request.user, DialogueMode(mode)).pk)


@require_safe
def dialogue(request: SignedInRequest, pk: int) -> HttpResponse:
    dialogue = access.dialogue(request.user, pk)
    return page(request, dialogue, dialogue.draft)


@require_safe
def turn(request: SignedInRequest, pk: int, place: int) -> HttpResponse:
    """One message, for the page that waits for the policy to write it."""
    dialogue = access.dialogue(request.user, pk)
    found = next((turn for turn in dialogues.turns_of(dialogue) if turn.place == place), None)
    if found is None:
        raise Http404
    if is_known(request, found.suggestion):
        return HttpResponse(status=204)
    return render(request, "dialogues/_message.html", {"dialogue": dialogue, "turn": found})


@require_POST
def draft(request: SignedInRequest, pk: int, place: int) -> HttpResponse:
    dialogue = access.own_dialogue(request.user, pk)
    suggestion = suggested(request, dialogue)
    dialogues.save_draft(dialogue, place, typed(request), suggestion, seconds(request.POST))
    return HttpResponse(status=204)


@require_POST
def suggest(request: SignedInRequest, pk: int) -> HttpResponse:
    dialogue = access.own_dialogue(request.user, pk)
    suggestion = dialogues.suggest(dialogue)
    return fragment(request, suggestion) if request.htmx else redirect("dialogue", pk)


@require_POST
def add_turn(request: SignedInRequest, pk: int, place: int) -> HttpResponse:
    def add(dialogue: Dialogue) -> None:
        suggestion = suggested(request, dialogue)
        dialogues.add_turn(dialogue, place, typed(request), suggestion, seconds(request.POST))

    return act(request, pk, add)


@require_POST
def change_turn(request: SignedInRequest, pk: int, place: int) -> HttpResponse:
    dialogue = access.own_dialogue(request.user, pk)
    try:
        dialogues.change_turn(dialogue, place, typed(request))
    except Refused as error:
        return page(request, dialogue, dialogue.draft, error, changed=(place, typed(request)))
    return redirect("dialogue", pk)


@require_POST
def take_back(request: SignedInRequest, pk: int, place: int) -> HttpResponse:
    return act(request, pk, lambda dialogue: dialogues.take_back(dialogue, place, typed(request)))


@require_POST
def ask_again(request: SignedInRequest, pk: int) -> HttpResponse:
    return act(request, pk, dialogues.ask_again)


@require_POST
def finish(request: SignedInRequest, pk: int) -> HttpResponse:
    def end(dialogue: Dialogue) -> None:
        dialogues.finish(dialogue, typed(request), seconds(request.POST))

    return act(request, pk, end)


@require_POST
def drop(request: SignedInRequest, pk: int) -> HttpResponse:
    return act(request, pk, dialogues.drop)


def act(request: SignedInRequest, pk: int, action: Callable[[Dialogue], None]) -> HttpResponse:
    """Do this to a person's own dialogue and show it; what is refused keeps what they typed."""
    dialogue = access.own_dialogue(request.user, pk)
    try:
        action(dialogue)
    except Refused as error:
        return page(request, dialogue, typed(request), error)
    return redirect("dialogue", pk)


def typed(request: SignedInRequest) -> str:
    return as_written(request.POST.get("text", ""))


def suggested(request: SignedInRequest, dialogue: Dialogue) -> Suggestion | None:
    return begun_from(request, dialogues.suggested(dialogue, dialogues.turns_of(dialogue)))


def page(
    request: SignedInRequest,
    dialogue: Dialogue,
    text: str,
    error: Refused | None = None,
    changed: tuple[int, str] | None = None,
) -> HttpResponse:
    """Show a dialogue; `changed` is the place of an earlier message and what was to become of it."""
    turns = dialogues.turns_of(dialogue)
    is_own = dialogue.author == request.user
    context = {
        "dialogue": dialogue,
        "turns": turns,
        "place": len(turns),
        "last_own": dialogues.last_own_place(dialogue, turns),
        "role": dialogues.role_at(len(turns)),
        "may_write": is_own and dialogue.state == DialogueState.OPEN,
        "text": text,
        "changed_place": changed[0] if changed else None,
        "changed_text": changed[1] if changed else "",
        "suggestion": dialogues.suggested(dialogue, turns).last() if is_own else None,
        "error": error,
    }
    return render(request, "dialogues/dialogue.html", context, status=error.status if error else 200)
