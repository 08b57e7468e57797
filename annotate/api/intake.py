"""Intake: what a campaign's rules decided about its prompts, and an admin's say over each decision."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.response import Response

from annotate import access
from annotate.actions import intake
from annotate.api.auth import ApiRequest
from annotate.api.endpoints import Endpoint, chosen, once
from annotate.api.shapes import MessageShape, username
from annotate.models import IntakeDecision, Rule, Scope

RULE = OpenApiParameter("rule", enum=Rule.values, description="Its decisions alone.")


class DecisionShape(serializers.ModelSerializer[IntakeDecision]):
    detail = serializers.DictField(
        child=serializers.IntegerField(), help_text="What the rule compared, or how often it found what."
    )
    messages = serializers.SerializerMethodField(
        help_text="The prompt as it came, where the rule masks words; null but for admins."
    )
    reversed_by = username()

    class Meta:
        model = IntakeDecision
        fields = (
            "id",
            "campaign",
            "prompt",
            "rule",
            "detail",
            "duplicate_of",
            "messages",
            "created_at",
            "reversed_at",
            "reversed_by",
        )

    @extend_schema_field(MessageShape(many=True, allow_null=True))
    def get_messages(self, decision: IntakeDecision) -> Any:
        is_shown = decision.messages is not None and self.context["request"].user.is_admin
        return MessageShape(decision.messages, many=True).data if is_shown else None


class CampaignIntake(Endpoint):
    @extend_schema(parameters=[RULE], responses=DecisionShape(many=True))
    def get(self, request: ApiRequest, pk: int) -> Response:
        """List what a campaign's rules decided, prompt by prompt. Researchers and admins."""
        access.only_researchers(request.user)
        rows = access.intake_decisions(request.user).filter(campaign=access.campaign(request.user, pk))
        if rule := chosen(request, RULE):
            rows = rows.filter(rule=rule)
        return self.listed(rows, DecisionShape)


class ReverseDecision(Endpoint):
    write_scope = Scope.CAMPAIGNS

    @extend_schema(request=None, responses=DecisionShape)
    @once
    def post(self, request: ApiRequest, pk: int) -> Response:
        """Let in what a rule set aside, or bring back the words that it masked. Admins."""
        intake.reverse(access.intake_decision(request.user, pk), request.user)
        return decision(request, pk)


class UpholdDecision(Endpoint):
    write_scope = Scope.CAMPAIGNS

    @extend_schema(request=None, responses=DecisionShape)
    @once
    def post(self, request: ApiRequest, pk: int) -> Response:
        """Let a reversed decision stand again. Admins."""
        intake.uphold(access.intake_decision(request.user, pk), request.user)
        return decision(request, pk)


def decision(request: ApiRequest, pk: int) -> Response:
    found = access.intake_decision(request.user, pk)
    return Response(DecisionShape(found, context={"request": request}).data)
