"""Questions about what becomes of suggestions; nothing here writes."""

from statistics import mean
from typing import NamedTuple

from django.db.models import Exists, OuterRef, QuerySet

from annotate.models import (
    Campaign,
    ClaimState,
    Demonstration,
    DialogueMode,
    DialogueTurn,
    Suggestion,
    SuggestionState,
)
from annotate.word_diff import share_kept

COMPARED = 50
"""The latest ones only: comparing two long texts takes many milliseconds."""


class Taken(NamedTuple):
    """How the suggestions of a campaign are taken up; what a policy says in a chat is none."""

    written: int
    used: int
    kept: float | None
    """The share of their words that is left in what people made of them; None before the first is used."""


def taken(campaign: Campaign) -> Taken:
    in_chat = DialogueTurn.objects.filter(dialogue__mode=DialogueMode.CHAT, suggestion=OuterRef("pk"))
    written = Suggestion.objects.filter(~Exists(in_chat), campaign=campaign, state=SuggestionState.DONE)
    demonstrations, turns = demonstrations_begun(campaign), turns_begun(campaign)
    used = written.filter(
        Exists(demonstrations.filter(suggestion=OuterRef("pk")))
        | Exists(turns.filter(suggestion=OuterRef("pk")))
    )
    latest = [
        *demonstrations.filter(dialogueturn=None).values_list("suggestion__text", "text")[:COMPARED],
        *turns.values_list("suggestion__text", "text")[:COMPARED],
    ]
    shares = [share_kept(suggested, text) for suggested, text in latest]
    return Taken(written.count(), used.count(), mean(shares) if shares else None)


def demonstrations_begun(campaign: Campaign) -> QuerySet[Demonstration]:
    begun = Demonstration.objects.filter(prompt__campaign=campaign, suggestion__isnull=False)
    return begun.filter(state=ClaimState.SUBMITTED).order_by("-pk")


def turns_begun(campaign: Campaign) -> QuerySet[DialogueTurn]:
    begun = DialogueTurn.objects.filter(dialogue__campaign=campaign, suggestion__isnull=False)
    return begun.filter(dialogue__mode=DialogueMode.BOTH_SIDES).order_by("-pk")
