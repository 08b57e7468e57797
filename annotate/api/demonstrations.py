"""Demonstrations: what a labeler gets next, its draft, its submission; and a campaign's, for researchers."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from annotate import access
from annotate.actions import answers, demonstrations, suggestions
from annotate.actions.demonstrations import LONGEST_DEMONSTRATION
from annotate.api.auth import ApiRequest
from annotate.api.claims import AnswerShape, ClaimShape, SkipShape
from annotate.api.endpoints import NOTHING, Endpoint, once, sent
from annotate.api.shapes import username
from annotate.api.suggestions import BegunFromShape, begun_from
from annotate.models import Demonstration, Scope


class DemonstrationShape(ClaimShape):
    text = serializers.CharField(allow_blank=True)


class DemonstrationAnswerShape(AnswerShape, BegunFromShape):
    text = serializers.CharField(max_length=LONGEST_DEMONSTRATION, allow_blank=True, trim_whitespace=False)


class WrittenDemonstrationShape(serializers.ModelSerializer[Demonstration]):
    """A submitted demonstration, for researchers."""

    labeler = username()

    class Meta:
        model = Demonstration
        fields = ("id", "prompt", "labeler", "prompt_flags", "text", "seconds", "submitted_at", "frozen_at")


class NextDemonstration(Endpoint):
    write_scope = Scope.LABEL

    @extend_schema(request=None, responses={200: DemonstrationShape} | NOTHING)
    def post(self, request: ApiRequest, pk: int) -> Response:
        """Claim what the token's owner demonstrates next, unfinished work first; 204 if nothing is left."""
        claimed = demonstrations.claim_next(access.labeling_campaign(request.user, pk), request.user)
        return Response(DemonstrationShape(claimed).data) if claimed else Response(status=204)


class OneDemonstration(Endpoint):
    @extend_schema(responses=DemonstrationShape)
    def get(self, request: ApiRequest, pk: int) -> Response:
        """Read a demonstration of one's own."""
        return Response(DemonstrationShape(access.demonstration(request.user, pk)).data)


class DemonstrationDraft(Endpoint):
    write_scope = Scope.LABEL

    @extend_schema(request=DemonstrationAnswerShape, responses=DemonstrationShape)
    def put(self, request: ApiRequest, pk: int) -> Response:
        """Keep an unfinished text and renew the claim."""
        written = access.demonstration(request.user, pk)
        demonstrations.save_draft(written, **answer_in(request, written))
        return Response(DemonstrationShape(access.demonstration(request.user, pk)).data)


class SubmitDemonstration(Endpoint):
    write_scope = Scope.LABEL

    @extend_schema(request=DemonstrationAnswerShape, responses=DemonstrationShape)
    @once
    def post(self, request: ApiRequest, pk: int) -> Response:
        """Make a text count. The same again changes nothing."""
        written = access.demonstration(request.user, pk)
        demonstrations.submit(written, **answer_in(request, written))
        return Response(DemonstrationShape(access.demonstration(request.user, pk)).data)


class SkipDemonstration(Endpoint):
    write_scope = Scope.LABEL

    @extend_schema(request=SkipShape, responses=DemonstrationShape)
    @once
    def post(self, request: ApiRequest, pk: int) -> Response:
        """Let the prompt go to others, saying why."""
        answers.skip(access.demonstration(request.user, pk), **sent(SkipShape, request))
        return Response(DemonstrationShape(access.demonstration(request.user, pk)).data)


class UndoDemonstration(Endpoint):
    write_scope = Scope.LABEL

    @extend_schema(request=None, responses=DemonstrationShape)
    @once
    def post(self, request: ApiRequest, pk: int) -> Response:
        """Take a submission of the last ten seconds back."""
        answers.undo(access.demonstration(request.user, pk))
        return Response(DemonstrationShape(access.demonstration(request.user, pk)).data)


class CampaignDemonstrations(Endpoint):
    @extend_schema(responses=WrittenDemonstrationShape(many=True))
    def get(self, request: ApiRequest, pk: int) -> Response:
        """List a campaign's submitted demonstrations. Researchers and admins."""
        access.only_researchers(request.user)
        campaign = access.campaign(request.user, pk)
        rows = access.written_demonstrations(request.user).filter(prompt__campaign=campaign)
        return self.listed(rows, WrittenDemonstrationShape)


def answer_in(request: ApiRequest, demonstration: Demonstration) -> dict[str, Any]:
    """Return what was sent as the actions take it."""
    given = sent(DemonstrationAnswerShape, request)
    asked = suggestions.own(request.user, demonstration.prompt)
    return given | {"suggestion": begun_from(given["suggestion"], asked)}
