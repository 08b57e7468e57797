"""Retraining: whether a campaign is due, its rounds, and beginning one now."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.response import Response

from annotate import access
from annotate.actions import retraining
from annotate.api.auth import ApiRequest
from annotate.api.endpoints import Endpoint, once
from annotate.models import Retraining, Scope


class DueShape(serializers.Serializer[Any]):
    """Whether a campaign retrains now; its settings are the campaign's own retrain_ and promote_ fields."""

    is_due = serializers.BooleanField()
    comparisons_new = serializers.IntegerField(help_text="Since the last round began; no more than wanted.")
    comparisons_wanted = serializers.IntegerField(allow_null=True)
    hours = serializers.FloatField()
    hours_wanted = serializers.IntegerField(allow_null=True)


class RetrainingShape(serializers.ModelSerializer[Retraining]):
    class Meta:
        model = Retraining
        fields = (
            "id",
            "campaign",
            "state",
            "due_because",
            "comparisons",
            "reward_run",
            "ppo_run",
            "decision",
            "created_at",
            "finished_at",
        )


class CampaignDue(Endpoint):
    @extend_schema(responses=DueShape)
    def get(self, request: ApiRequest, pk: int) -> Response:
        """Read how near a campaign is to its next round. Researchers and admins."""
        access.only_researchers(request.user)
        return Response(DueShape(retraining.due(access.campaign(request.user, pk))).data)


class CampaignRetrainings(Endpoint):
    write_scope = Scope.RUNS

    @extend_schema(responses=RetrainingShape(many=True))
    def get(self, request: ApiRequest, pk: int) -> Response:
        """List a campaign's rounds of retraining and what was decided. Researchers and admins."""
        access.only_researchers(request.user)
        rows = access.retrainings(request.user, access.campaign(request.user, pk))
        return self.listed(rows, RetrainingShape)

    @extend_schema(request=None, responses={201: RetrainingShape})
    @once
    def post(self, request: ApiRequest, pk: int) -> Response:
        """Begin a round now, whether or not it is due. Researchers and admins."""
        access.only_researchers(request.user)
        begun = retraining.retrain_now(access.campaign(request.user, pk), request.user)
        # Where its first run is refused, the round has ended already.
        begun.refresh_from_db()
        return Response(RetrainingShape(begun).data, status.HTTP_201_CREATED)
