"""Writing dialogues: a labeler on both sides, or with the policy, a message at a time until it is finished.

The user begins and the two take turns, so a turn's place says whose it is. In a chat the policy's turn is
there as soon as it is asked for: it says what its suggestion does, once that is written.
"""

import secrets
from collections.abc import Sequence

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from annotate.actions import suggestions
from annotate.actions.demonstrations import write_own_demonstration
from annotate.actions.prompts import Messages, write_prompt
from annotate.errors import Invalid, Refused
from annotate.models import (
    Campaign,
    Dialogue,
    DialogueMode,
    DialogueState,
    DialogueTurn,
    Kind,
    Sampling,
    Suggestion,
    SuggestionState,
    User,
    current_policy,
)


@transaction.atomic
def open_dialogue(campaign: Campaign, author: User, mode: DialogueMode) -> Dialogue:
    """Return a new dialogue, or this person's own of the same mode in which nothing is said yet.

    Raises:
        Refused: it is to be a chat, and the campaign has no policy to chat with.
    """
    if mode == DialogueMode.CHAT and current_policy(campaign) is None:
        raise Refused(_("This campaign has no policy yet that could answer; a researcher promotes one."))
    # Two clicks come one after the other, so that the second finds the first one's dialogue.
    User.objects.select_for_update(no_key=True).get(pk=author.pk)
    empty = Dialogue.objects.filter(
        campaign=campaign, author=author, mode=mode, state=DialogueState.OPEN, turns=None
    )
    return empty.first() or Dialogue.objects.create(
        campaign=campaign, author=author, mode=mode, instructions=campaign.instructions.first()
    )


def turns_of(dialogue: Dialogue) -> list[DialogueTurn]:
    return list(dialogue.turns.select_related("suggestion", "demonstration"))


def role_at(place: int) -> str:
    return "assistant" if place % 2 else "user"


def last_own_place(dialogue: Dialogue, turns: Sequence[DialogueTurn]) -> int | None:
    """Return the place of the labeler's last message, the one that can be taken back."""
    if not turns:
        return None
    return len(turns) - (2 if dialogue.mode == DialogueMode.CHAT else 1)


def messages_of(turns: Sequence[DialogueTurn]) -> Messages:
    return [{"role": turn.role, "content": turn.said} for turn in turns]


@transaction.atomic
def save_draft(
    dialogue: Dialogue, place: int, text: str, suggestion: Suggestion | None, seconds: float | None
) -> None:
    """Keep the unfinished message for this place and the suggestion that it began from.

    Raises:
        Invalid: it is too long; nothing is kept of it.
        Refused: the dialogue went on meanwhile, is over, or its campaign is closed.
    """
    held = _hold(dialogue)
    turns = turns_of(held)
    _refuse_elsewhere(turns, place)
    _refuse_too_long(held.campaign, turns, text)
    _keep(held, text, suggestion, seconds)


@transaction.atomic
def add_turn(
    dialogue: Dialogue, place: int, text: str, suggestion: Suggestion | None, seconds: float | None
) -> None:
    """Add the message that stands at this place; in a chat, the policy is asked for its answer.

    The same message sent twice is added once.

    Raises:
        Invalid: it is empty or too long.
        Refused: the dialogue went on meanwhile, waits for the policy, is over, or its campaign is closed.
    """
    held, words = _hold(dialogue), text.strip()
    turns = turns_of(held)
    if any(turn.place == place and turn.text == words for turn in turns):
        return
    _refuse_elsewhere(turns, place)
    _refuse_awaited(turns)
    _refuse_bad_text(held.campaign, turns, words)
    _say(held, place, words, suggestion)
    if held.mode == DialogueMode.CHAT:
        asked = suggestions.ask(held.campaign, held.author, messages_of(turns_of(held)))
        _say(held, place + 1, "", asked)
    _keep(held, "", None, seconds)


@transaction.atomic
def change_turn(dialogue: Dialogue, place: int, text: str) -> None:
    """Write a turn anew, where the labeler plays both sides.

    Raises:
        Invalid: the new text is empty or too long.
        Refused: there is no such turn, or the policy has answered to it already.
    """
    held = _hold(dialogue)
    if held.mode == DialogueMode.CHAT:
        raise Refused(_("The policy has answered this message. Take it back instead of changing it."))
    turns = turns_of(held)
    others = [turn for turn in turns if turn.place != place]
    if len(others) == len(turns):
        raise Refused(_("This message was taken back. Open the dialogue again to see how it stands."))
    _refuse_bad_text(held.campaign, others, text)
    held.turns.filter(place=place).update(text=text.strip())


@transaction.atomic
def take_back(dialogue: Dialogue, place: int, typed: str) -> None:
    """Remove the last message of the labeler's, and what the policy answered; its words become the draft.

    typed is what stands in the draft's place so far; it follows. Taking back twice removes once.

    Raises:
        Refused: it is not the last message, or the dialogue is over.
    """
    held = _hold(dialogue)
    turns = turns_of(held)
    last = last_own_place(held, turns)
    if last is None or place > last:
        return
    if place < last:
        raise Refused(_("Only the last message can be taken back."))
    turn = turns[place]
    held.turns.filter(place__gte=place).delete()
    words = [turn.text, typed.strip()]
    _keep(held, "\n\n".join(filter(None, words)), turn.suggestion, held.seconds)


@transaction.atomic
def ask_again(dialogue: Dialogue) -> None:
    """Ask the policy once more for the answer that it could not give; nothing if it did not fail."""
    held = _hold(dialogue)
    turns = turns_of(held)
    last = turns[-1] if turns else None
    if last and last.suggestion and last.suggestion.state == SuggestionState.FAILED and not last.text:
        last.suggestion = suggestions.ask(held.campaign, held.author, messages_of(turns[:-1]))
        last.save(update_fields=["suggestion"])


@transaction.atomic
def suggest(dialogue: Dialogue) -> Suggestion:
    """Ask for a suggestion of the next message, where the labeler plays both sides.

    Raises:
        Refused: it is a chat or over, its campaign is closed, or this person has asked too often.
    """
    held = _hold(dialogue)
    if held.mode == DialogueMode.CHAT:
        raise Refused(_("In a chat the policy answers by itself: send your message."))
    turns = turns_of(held)
    return suggestions.ask(held.campaign, held.author, messages_of(turns), role_at(len(turns)))


def suggested(dialogue: Dialogue, turns: Sequence[DialogueTurn]) -> QuerySet[Suggestion]:
    """Return the suggestions that its author has asked for the next message."""
    return suggestions.asked(dialogue.campaign, dialogue.author, messages_of(turns), role_at(len(turns)))


@transaction.atomic
def finish(dialogue: Dialogue, typed: str, seconds: float | None) -> None:
    """End a dialogue: it becomes demonstrations, or, as a chat, a prompt to be ranked. Twice is once.

    Raises:
        Invalid: a message is begun and not added.
        Refused: it is too short, waits for the policy, or its campaign is closed.
    """
    if Dialogue.objects.filter(pk=dialogue.pk, state=DialogueState.FINISHED).exists():
        return
    held = _hold(dialogue)
    if typed.strip():
        raise Invalid(_("You have begun a message: add it or clear it, then finish."))
    turns = turns_of(held)
    _refuse_awaited(turns)
    if not turns or turns[-1].role != "assistant":
        raise Refused(_("A dialogue ends with an answer of the assistant’s; this one does not yet."))
    if held.mode == DialogueMode.CHAT:
        _become_prompt(held, turns)
    else:
        _become_demonstrations(held, turns)
    _keep(held, "", None, seconds)
    _end(held, DialogueState.FINISHED)


@transaction.atomic
def drop(dialogue: Dialogue) -> None:
    """End a dialogue that is to become nothing; what was written stays with it."""
    _end(_hold(dialogue), DialogueState.DROPPED)


def _become_demonstrations(dialogue: Dialogue, turns: Sequence[DialogueTurn]) -> None:
    """Make each assistant turn the demonstration of a prompt: all that came before it."""
    for turn in turns[1::2]:
        prompt = write_prompt(
            dialogue.campaign,
            dialogue.author,
            Kind.DIALOGUE,
            messages_of(turns[: turn.place]),
            sampling=Sampling.NONE,
            answered=True,
        )
        turn.demonstration = write_own_demonstration(prompt, dialogue.author, turn.text, turn.suggestion)
        turn.save(update_fields=["demonstration"])


def _become_prompt(dialogue: Dialogue, turns: Sequence[DialogueTurn]) -> None:
    """Pick one of the policy's messages at random; what came before it is a prompt, to be sampled anew."""
    picked = secrets.choice(turns[1::2])
    dialogue.picked_place = picked.place
    dialogue.prompt = write_prompt(
        dialogue.campaign, dialogue.author, Kind.DIALOGUE, messages_of(turns[: picked.place])
    )
    dialogue.save(update_fields=["picked_place", "prompt"])


def _hold(dialogue: Dialogue) -> Dialogue:
    """Lock an open dialogue in this transaction."""
    rows = Dialogue.objects.select_for_update(of=("self",)).select_related("campaign", "author")
    held = rows.get(pk=dialogue.pk)
    if held.state != DialogueState.OPEN:
        raise Refused(_("This dialogue is over and cannot be changed any more."))
    if not held.campaign.is_open:
        raise Refused(_("This campaign is closed. The dialogue stays as it is."))
    return held


def _say(dialogue: Dialogue, place: int, text: str, suggestion: Suggestion | None) -> None:
    DialogueTurn.objects.create(
        dialogue=dialogue, place=place, role=role_at(place), text=text, suggestion=suggestion
    )


def _keep(dialogue: Dialogue, draft: str, suggestion: Suggestion | None, seconds: float | None) -> None:
    """Store the unfinished message and the time worked, never more of it than has passed."""
    elapsed = (timezone.now() - dialogue.created_at).total_seconds()
    dialogue.draft, dialogue.draft_suggestion = draft, suggestion
    dialogue.seconds = None if seconds is None else min(seconds, elapsed)
    dialogue.save(update_fields=["draft", "draft_suggestion", "seconds"])


def _end(dialogue: Dialogue, state: DialogueState) -> None:
    dialogue.state, dialogue.finished_at = state, timezone.now()
    dialogue.save(update_fields=["state", "finished_at"])


def _refuse_elsewhere(turns: Sequence[DialogueTurn], place: int) -> None:
    if place != len(turns):
        raise Refused(_("This dialogue has gone on in another window. Open it again to see how."))


def _refuse_awaited(turns: Sequence[DialogueTurn]) -> None:
    if turns and not turns[-1].said:
        raise Refused(
            _("The policy has not answered yet. Wait for it, ask again, or take your message back.")
        )


def _refuse_bad_text(campaign: Campaign, others: Sequence[DialogueTurn], text: str) -> None:
    if not text.strip():
        raise Invalid(_("Message: write what is said next."))
    _refuse_too_long(campaign, others, text)


def _refuse_too_long(campaign: Campaign, others: Sequence[DialogueTurn], text: str) -> None:
    length = sum(len(turn.said) for turn in others) + len(text)
    if length > campaign.longest_prompt:
        raise Invalid(
            _("Message: with it the dialogue has %(length)d characters; at most %(limit)d fit.")
            % {"length": length, "limit": campaign.longest_prompt}
        )
