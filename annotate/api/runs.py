"""Runs and checkpoints: starting a run, its metrics, cancelling it; what it made, and promoting that."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.response import Response

from annotate import access
from annotate.actions import runs
from annotate.actions.checkpoints import promote, set_policy_shares
from annotate.api.auth import ApiRequest
from annotate.api.endpoints import Endpoint, Pages, once, sent
from annotate.api.shapes import IdField, username
from annotate.models import Checkpoint, PolicyShare, Promotion, Run, RunMetric, Scope, Stage


class RunShape(serializers.ModelSerializer[Run]):
    config = serializers.DictField()
    result = serializers.DictField()
    created_by = username()

    class Meta:
        model = Run
        fields = (
            "id",
            "campaign",
            "stage",
            "preset",
            "config",
            "snapshot",
            "policy",
            "reward_model",
            "second_judge",
            "pretraining",
            "state",
            "reason",
            "step",
            "total_steps",
            "phase",
            "checkpoint",
            "result",
            "created_by",
            "created_at",
            "started_at",
            "finished_at",
        )


class NewRunShape(serializers.Serializer[Any]):
    stage = serializers.ChoiceField(choices=Stage.choices)
    preset = serializers.CharField(max_length=20, required=False, default="small")
    config = serializers.DictField(
        required=False, default=dict, help_text="What is to be other than the preset says."
    )
    policy = IdField(
        rows=access.checkpoints, required=False, help_text="By default the campaign's current one."
    )
    reward_model = IdField(
        rows=access.checkpoints, required=False, help_text="By default the campaign's newest one."
    )
    second_judge = IdField(
        rows=access.checkpoints,
        required=False,
        help_text="For PPO: another reward model that scores held-out completions too.",
    )
    pretraining = serializers.CharField(max_length=200, required=False, default="", allow_blank=True)


class MetricShape(serializers.ModelSerializer[RunMetric]):
    values = serializers.DictField(child=serializers.FloatField(allow_null=True))

    class Meta:
        model = RunMetric
        fields = ("step", "values")


class CheckpointShape(serializers.ModelSerializer[Checkpoint]):
    summary = serializers.DictField()

    class Meta:
        model = Checkpoint
        fields = ("id", "kind", "name", "campaign", "parent", "stage", "location", "summary", "created_at")


class PromotionShape(serializers.ModelSerializer[Promotion]):
    promoted_by = username()

    class Meta:
        model = Promotion
        fields = ("id", "campaign", "policy", "reason", "promoted_by", "created_at")
        read_only_fields = ("campaign",)


class PolicyShareShape(serializers.ModelSerializer[PolicyShare]):
    percent = serializers.IntegerField(min_value=1, max_value=100)

    class Meta:
        model = PolicyShare
        fields = ("policy", "percent")


class PolicySharesShape(serializers.Serializer[Any]):
    shares = PolicyShareShape(many=True, help_text="The current policy gets what these leave of 100 percent.")


class MetricPages(Pages):
    ordering = "step"
    page_size = 500


class Runs(Endpoint):
    @extend_schema(responses=RunShape(many=True))
    def get(self, request: ApiRequest) -> Response:
        """List all runs. Researchers and admins."""
        access.only_researchers(request.user)
        return self.listed(access.runs(request.user).select_related("created_by"), RunShape)


class CampaignRuns(Endpoint):
    write_scope = Scope.RUNS

    @extend_schema(responses=RunShape(many=True))
    def get(self, request: ApiRequest, pk: int) -> Response:
        """List a campaign's runs. Researchers and admins."""
        access.only_researchers(request.user)
        rows = access.runs(request.user).filter(campaign=access.campaign(request.user, pk))
        return self.listed(rows.select_related("created_by"), RunShape)

    @extend_schema(request=NewRunShape, responses={201: RunShape})
    @once
    def post(self, request: ApiRequest, pk: int) -> Response:
        """Start a run on a snapshot of the campaign as it is now. Researchers and admins."""
        access.only_researchers(request.user)
        campaign = access.campaign(request.user, pk)
        run = runs.start_run(campaign, actor=request.user, **sent(NewRunShape, request))
        return Response(RunShape(run).data, status.HTTP_201_CREATED)


class OneRun(Endpoint):
    @extend_schema(responses=RunShape)
    def get(self, request: ApiRequest, pk: int) -> Response:
        """Read how a run goes. Researchers and admins."""
        return Response(RunShape(access.run(request.user, pk)).data)


class RunMetrics(Endpoint):
    pagination_class = MetricPages

    @extend_schema(responses=MetricShape(many=True))
    def get(self, request: ApiRequest, pk: int) -> Response:
        """List what a run said, step by step. Researchers and admins."""
        return self.listed(access.run(request.user, pk).metrics.all(), MetricShape)


class CancelRun(Endpoint):
    write_scope = Scope.RUNS

    @extend_schema(request=None, responses=RunShape)
    @once
    def post(self, request: ApiRequest, pk: int) -> Response:
        """End a queued run, or ask whoever works on it to stop. Researchers and admins."""
        runs.cancel_run(access.run(request.user, pk), request.user)
        return Response(RunShape(access.run(request.user, pk)).data)


class RetryRun(Endpoint):
    write_scope = Scope.RUNS

    @extend_schema(request=None, responses=RunShape)
    @once
    def post(self, request: ApiRequest, pk: int) -> Response:
        """Queue a failed or cancelled run again, from its last saved state. Researchers and admins."""
        runs.retry_run(access.run(request.user, pk), request.user)
        return Response(RunShape(access.run(request.user, pk)).data)


class Checkpoints(Endpoint):
    @extend_schema(responses=CheckpointShape(many=True))
    def get(self, request: ApiRequest) -> Response:
        """List the checkpoints that have weights. Researchers and admins."""
        access.only_researchers(request.user)
        return self.listed(access.checkpoints(request.user).exclude(location=""), CheckpointShape)


class OneCheckpoint(Endpoint):
    @extend_schema(responses=CheckpointShape)
    def get(self, request: ApiRequest, pk: int) -> Response:
        """Read a checkpoint. Researchers and admins."""
        return Response(CheckpointShape(access.checkpoint(request.user, pk)).data)


class CampaignPromotions(Endpoint):
    write_scope = Scope.RUNS

    @extend_schema(responses=PromotionShape(many=True))
    def get(self, request: ApiRequest, pk: int) -> Response:
        """List which policies a campaign has sampled. Researchers and admins."""
        access.only_researchers(request.user)
        rows = access.campaign(request.user, pk).promotions.select_related("promoted_by")
        return self.listed(rows, PromotionShape)

    @extend_schema(request=PromotionShape, responses={201: PromotionShape})
    @once
    def post(self, request: ApiRequest, pk: int) -> Response:
        """Make a policy the one that answers the campaign's next prompts. Researchers and admins."""
        access.only_researchers(request.user)
        campaign = access.campaign(request.user, pk)
        given = sent(PromotionShape, request)
        made = promote(campaign, given["policy"], request.user, given["reason"])
        return Response(PromotionShape(made).data, status.HTTP_201_CREATED)


class CampaignPolicies(Endpoint):
    write_scope = Scope.RUNS

    @extend_schema(responses=PolicySharesShape)
    def get(self, request: ApiRequest, pk: int) -> Response:
        """Read which policies a campaign samples besides its current one. Researchers and admins."""
        access.only_researchers(request.user)
        campaign = access.campaign(request.user, pk)
        return Response(PolicySharesShape({"shares": campaign.policy_shares.all()}).data)

    @extend_schema(request=PolicySharesShape, responses=PolicySharesShape)
    def put(self, request: ApiRequest, pk: int) -> Response:
        """Sample exactly these policies besides the current one. Researchers and admins."""
        access.only_researchers(request.user)
        campaign = access.campaign(request.user, pk)
        shares = {each["policy"]: each["percent"] for each in sent(PolicySharesShape, request)["shares"]}
        set_policy_shares(campaign, request.user, shares)
        return Response(PolicySharesShape({"shares": campaign.policy_shares.all()}).data)
