"""Suggestions: asking what a policy would write, reading it, and saying that a text began from it."""

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from annotate import access
from annotate.actions import suggestions
from annotate.api.auth import ApiRequest
from annotate.api.endpoints import Endpoint, once
from annotate.models import Scope, Suggestion, SuggestionState

LARGEST_ID = 2**63 - 1


class SuggestionShape(serializers.ModelSerializer[Suggestion]):
    """What a policy would write next, for whoever asked; nothing says which policy."""

    class Meta:
        model = Suggestion
        fields = ("id", "role", "state", "reason", "text", "created_at", "finished_at")


class BegunFromShape(serializers.Serializer[Any]):
    suggestion = serializers.IntegerField(
        min_value=1,
        max_value=LARGEST_ID,
        required=False,
        default=None,
        allow_null=True,
        help_text="The id of a suggestion that was asked for here and that the text began from.",
    )


class OneSuggestion(Endpoint):
    @extend_schema(responses=SuggestionShape)
    def get(self, request: ApiRequest, pk: int) -> Response:
        """Read a suggestion that one has asked for: it is written when its state is done."""
        return Response(SuggestionShape(access.suggestion(request.user, pk)).data)


class SuggestCompletion(Endpoint):
    write_scope = Scope.LABEL

    @extend_schema(request=None, responses=SuggestionShape)
    @once
    def post(self, request: ApiRequest, pk: int) -> Response:
        """Ask what the campaign's policy would answer, to begin one's demonstration from."""
        prompt = access.demonstration(request.user, pk).prompt
        asked = suggestions.ask(prompt.campaign, request.user, prompt.messages, prompt=prompt)
        return Response(SuggestionShape(asked).data)


def begun_from(pk: int | None, asked: QuerySet[Suggestion]) -> Suggestion | None:
    """Return the suggestion of this id, one of those that were asked for here and are written."""
    if pk is None:
        return None
    found = asked.filter(pk=pk, state=SuggestionState.DONE).first()
    if found is None:
        raise ValidationError({"suggestion": [_("It was not asked for here, or is not written yet.")]})
    return found
