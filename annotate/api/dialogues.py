"""Dialogues: opening one, its messages one after the other, and finishing it."""

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.response import Response

from annotate import access
from annotate.actions import dialogues
from annotate.api.auth import ApiRequest
from annotate.api.campaigns import InstructionsShape
from annotate.api.claims import SecondsShape
from annotate.api.endpoints import Endpoint, once, sent
from annotate.api.shapes import username
from annotate.api.suggestions import BegunFromShape, SuggestionShape, begun_from
from annotate.models import Dialogue, DialogueMode, Scope, Suggestion

MOST_TURNS = 2**15 - 1


class ListedDialogueShape(serializers.ModelSerializer[Dialogue]):
    author = username()
    begins = serializers.CharField(allow_null=True, help_text="Its first message.")

    class Meta:
        model = Dialogue
        fields = ("id", "campaign", "author", "mode", "state", "begins", "created_at", "finished_at")


class TurnShape(serializers.Serializer[Any]):
    place = serializers.IntegerField()
    role = serializers.ChoiceField(choices=["user", "assistant"])
    text = serializers.CharField(source="said", allow_blank=True)
    waits = serializers.SerializerMethodField(
        help_text="How far the policy is with a message of its own; null once it is written."
    )

    @extend_schema_field(SuggestionShape(allow_null=True))
    def get_waits(self, turn: Any) -> Any:
        return SuggestionShape(turn.suggestion).data if turn.suggestion and not turn.said else None


class DialogueShape(serializers.ModelSerializer[Dialogue]):
    author = username()
    instructions = InstructionsShape(allow_null=True)
    turns = serializers.SerializerMethodField()
    draft = serializers.SerializerMethodField(help_text="The unfinished next message; null of another's.")

    class Meta:
        model = Dialogue
        fields = (
            "id",
            "campaign",
            "author",
            "mode",
            "instructions",
            "state",
            "turns",
            "draft",
            "prompt",
            "seconds",
            "created_at",
            "finished_at",
        )
        extra_kwargs = {"prompt": {"help_text": "What a chat became: it is sampled and ranked."}}

    @extend_schema_field(TurnShape(many=True))
    def get_turns(self, dialogue: Dialogue) -> Any:
        return TurnShape(dialogues.turns_of(dialogue), many=True).data

    def get_draft(self, dialogue: Dialogue) -> str | None:
        return dialogue.draft if dialogue.author_id == self.context["reader"] else None


class NewDialogueShape(serializers.Serializer[Any]):
    mode = serializers.ChoiceField(choices=DialogueMode.choices)


class TextShape(serializers.Serializer[Any]):
    text = serializers.CharField(allow_blank=True, trim_whitespace=False)


class PlaceShape(serializers.Serializer[Any]):
    place = serializers.IntegerField(
        min_value=0,
        max_value=MOST_TURNS,
        help_text="Counted from 0, so that what is sent twice is said once.",
    )


class TypedShape(TextShape, PlaceShape, BegunFromShape, SecondsShape):
    """A message at its place; the user's are at even ones."""


class CampaignDialogues(Endpoint):
    write_scope = Scope.LABEL

    @extend_schema(responses=ListedDialogueShape(many=True))
    def get(self, request: ApiRequest, pk: int) -> Response:
        """List a campaign's dialogues: all for researchers, else one's own."""
        rows = access.dialogues(request.user).filter(campaign=access.campaign(request.user, pk))
        return self.listed(rows.with_beginning().select_related("author"), ListedDialogueShape)

    @extend_schema(request=NewDialogueShape, responses=DialogueShape)
    @once
    def post(self, request: ApiRequest, pk: int) -> Response:
        """Open a dialogue, or answer one's own of the same mode in which nothing is said yet."""
        campaign = access.labeling_campaign(request.user, pk)
        mode = DialogueMode(sent(NewDialogueShape, request)["mode"])
        return told(request, dialogues.open_dialogue(campaign, request.user, mode))


class OneDialogue(Endpoint):
    @extend_schema(responses=DialogueShape)
    def get(self, request: ApiRequest, pk: int) -> Response:
        """Read a dialogue: any for researchers, else one's own."""
        return told(request, access.dialogue(request.user, pk))


class DialogueDraft(Endpoint):
    write_scope = Scope.LABEL

    @extend_schema(request=TypedShape, responses=DialogueShape)
    def put(self, request: ApiRequest, pk: int) -> Response:
        """Keep the unfinished next message."""
        dialogue = access.own_dialogue(request.user, pk)
        dialogues.save_draft(dialogue, **typed(request, dialogue))
        return told(request, access.dialogue(request.user, pk))


class DialogueTurns(Endpoint):
    write_scope = Scope.LABEL

    @extend_schema(request=TypedShape, responses=DialogueShape)
    @once
    def post(self, request: ApiRequest, pk: int) -> Response:
        """Add the next message; in a chat the policy is asked for its answer, which is read here later."""
        dialogue = access.own_dialogue(request.user, pk)
        dialogues.add_turn(dialogue, **typed(request, dialogue))
        return told(request, access.dialogue(request.user, pk))


class OneTurn(Endpoint):
    write_scope = Scope.LABEL

    @extend_schema(request=TextShape, responses=DialogueShape)
    def put(self, request: ApiRequest, pk: int, place: int) -> Response:
        """Write a message anew, where one plays both sides."""
        dialogues.change_turn(access.own_dialogue(request.user, pk), place, sent(TextShape, request)["text"])
        return told(request, access.dialogue(request.user, pk))


class TakeBackTurn(Endpoint):
    write_scope = Scope.LABEL

    @extend_schema(request=PlaceShape, responses=DialogueShape)
    @once
    def post(self, request: ApiRequest, pk: int) -> Response:
        """Take one's last message back, with the policy's answer to it; its words become the draft."""
        dialogue = access.own_dialogue(request.user, pk)
        dialogues.take_back(dialogue, sent(PlaceShape, request)["place"], dialogue.draft)
        return told(request, access.dialogue(request.user, pk))


class SuggestTurn(Endpoint):
    write_scope = Scope.LABEL

    @extend_schema(request=None, responses=SuggestionShape)
    @once
    def post(self, request: ApiRequest, pk: int) -> Response:
        """Ask what the campaign's policy would say next, where one plays both sides."""
        return Response(SuggestionShape(dialogues.suggest(access.own_dialogue(request.user, pk))).data)


class AskAgain(Endpoint):
    write_scope = Scope.LABEL

    @extend_schema(request=None, responses=DialogueShape)
    @once
    def post(self, request: ApiRequest, pk: int) -> Response:
        """Ask the policy of a chat once more for the answer that it could not give."""
        dialogues.ask_again(access.own_dialogue(request.user, pk))
        return told(request, access.dialogue(request.user, pk))


class FinishDialogue(Endpoint):
    write_scope = Scope.LABEL

    @extend_schema(request=SecondsShape, responses=DialogueShape)
    @once
    def post(self, request: ApiRequest, pk: int) -> Response:
        """End a dialogue: it becomes demonstrations, or as a chat a prompt to be ranked.

        A draft that was not added holds this up: add it, or send an empty one.
        """
        dialogue = access.own_dialogue(request.user, pk)
        dialogues.finish(dialogue, dialogue.draft, sent(SecondsShape, request)["seconds"])
        return told(request, access.dialogue(request.user, pk))


class DropDialogue(Endpoint):
    write_scope = Scope.LABEL

    @extend_schema(request=None, responses=DialogueShape)
    @once
    def post(self, request: ApiRequest, pk: int) -> Response:
        """End a dialogue that is to become nothing."""
        dialogues.drop(access.own_dialogue(request.user, pk))
        return told(request, access.dialogue(request.user, pk))


def told(request: ApiRequest, dialogue: Dialogue) -> Response:
    return Response(DialogueShape(dialogue, context={"reader": request.user.pk}).data)


def typed(request: ApiRequest, dialogue: Dialogue) -> dict[str, Any]:
    """Return the message that was sent, as the actions take it."""
    given = sent(TypedShape, request)
    return given | {"suggestion": suggested(dialogue, given["suggestion"])}


def suggested(dialogue: Dialogue, pk: int | None) -> Suggestion | None:
    return begun_from(pk, dialogues.suggested(dialogue, dialogues.turns_of(dialogue)))
