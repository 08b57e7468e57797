"""Campaigns: the list, one, its settings, its instructions and its members."""

from typing import Any

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.response import Response

from annotate import access
from annotate.actions import campaigns
from annotate.api.auth import ApiRequest
from annotate.api.endpoints import Endpoint, once, sent
from annotate.api.shapes import NameField
from annotate.kept import PROGRESS, shown
from annotate.models import Campaign, Instructions, Scope


class CampaignShape(serializers.ModelSerializer[Campaign]):
    class Meta:
        model = Campaign
        fields = (
            "id",
            "name",
            "k",
            "labelers_per_prompt",
            "is_open",
            "is_screening",
            "gives_qualification",
            "use_cases",
            "qualification",
            "category_qualifications",
            "categories",
            "flags_left_out",
            "own_flags",
            "prompt_flags_left_out",
            "lease_minutes",
            "review_below",
            "gold_percent",
            "repeat_percent",
            "repeat_after_items",
            "repeat_after_days",
            "longest_prompt",
            "duplicate_prefix",
            "prompts_per_author",
            "mask_personal_data",
            "max_completion_tokens",
            "temperature",
            "retrain_after_comparisons",
            "retrain_after_hours",
            "promote_min_accuracy",
            "promote_max_kl",
            "created_at",
        )
        # Whether a name is taken is the action's to say.
        extra_kwargs: dict[str, dict[str, Any]] = {"name": {"validators": []}}


class InstructionsShape(serializers.ModelSerializer[Instructions]):
    class Meta:
        model = Instructions
        fields = ("version", "text", "created_at")
        read_only_fields = ("version",)


class MembersShape(serializers.Serializer[Any]):
    labelers = NameField(
        rows=access.who_can_label,
        many=True,
        help_text="The names of all who label in the campaign.",
    )
    held_out = NameField(
        rows=access.who_can_label,
        many=True,
        required=False,
        help_text="Of those whose answers never train. Left out, these stay as they are.",
    )
    reviewers = NameField(
        rows=access.who_can_label,
        many=True,
        required=False,
        help_text="Of the labelers who review besides researchers. Left out, these stay as they are.",
    )


class ChangeShape(serializers.Serializer[Any]):
    added = NameField(rows=access.who_can_label, many=True, required=False)
    removed = NameField(rows=access.who_can_label, many=True, required=False)


class ChangedMembersShape(serializers.Serializer[Any]):
    labelers = ChangeShape(required=False, help_text="Who else stands in the list stays.")
    held_out = ChangeShape(required=False)
    reviewers = ChangeShape(required=False)


class CountShape(serializers.Serializer[Any]):
    sampling = serializers.CharField()
    prompts = serializers.IntegerField()


class RuleShape(serializers.Serializer[Any]):
    rule = serializers.CharField()
    standing = serializers.IntegerField()
    reversed = serializers.IntegerField()


class HoursShape(serializers.Serializer[Any]):
    ranking = serializers.FloatField()
    demonstrating = serializers.FloatField()
    left = serializers.FloatField(
        allow_null=True, help_text="Until every prompt has its rankings; null where no time is known."
    )


class ProgressShape(serializers.Serializer[Any]):
    prompts = serializers.IntegerField()
    by_sampling = CountShape(many=True)
    rankings = serializers.IntegerField()
    rankings_wanted = serializers.IntegerField()
    rankings_in_progress = serializers.IntegerField()
    demonstrations = serializers.IntegerField()
    comparisons = serializers.IntegerField()
    intake = RuleShape(many=True, help_text="How many decisions of each rule stand, and are reversed.")
    hours = HoursShape(help_text="What it has taken of people's time.")
    as_of = serializers.DateTimeField(allow_null=True, help_text="Of a big campaign; null means now.")


class Campaigns(Endpoint):
    write_scope = Scope.CAMPAIGNS

    @extend_schema(responses=CampaignShape(many=True))
    def get(self, request: ApiRequest) -> Response:
        """List the campaigns that the token's owner may see."""
        return self.listed(access.campaigns(request.user), CampaignShape)

    @extend_schema(request=CampaignShape, responses={201: CampaignShape})
    @once
    def post(self, request: ApiRequest) -> Response:
        """Make a campaign. Researchers and admins."""
        access.only_researchers(request.user)
        made = campaigns.create_campaign(request.user, **sent(CampaignShape, request))
        return Response(CampaignShape(made).data, status.HTTP_201_CREATED)


class OneCampaign(Endpoint):
    write_scope = Scope.CAMPAIGNS

    @extend_schema(responses=CampaignShape)
    def get(self, request: ApiRequest, pk: int) -> Response:
        """Read a campaign's settings."""
        return Response(CampaignShape(access.campaign(request.user, pk)).data)

    @extend_schema(request=CampaignShape(partial=True), responses=CampaignShape)
    def patch(self, request: ApiRequest, pk: int) -> Response:
        """Change these settings and leave the others. Researchers and admins."""
        access.only_researchers(request.user)
        campaign = access.campaign(request.user, pk)
        campaigns.change_campaign(campaign, request.user, **sent(CampaignShape, request, partial=True))
        return Response(CampaignShape(access.campaign(request.user, pk)).data)


class CampaignInstructions(Endpoint):
    write_scope = Scope.CAMPAIGNS

    @extend_schema(responses=InstructionsShape(many=True))
    def get(self, request: ApiRequest, pk: int) -> Response:
        """List the versions of what labelers are told."""
        rows = access.campaign(request.user, pk).instructions.all()
        return self.listed(rows, InstructionsShape)

    @extend_schema(request=InstructionsShape, responses={201: InstructionsShape})
    @once
    def post(self, request: ApiRequest, pk: int) -> Response:
        """Write a new version, as Markdown. Researchers and admins."""
        access.only_researchers(request.user)
        campaign = access.campaign(request.user, pk)
        written = campaigns.write_instructions(
            campaign, request.user, sent(InstructionsShape, request)["text"]
        )
        return Response(InstructionsShape(written).data, status.HTTP_201_CREATED)


class CampaignMembers(Endpoint):
    write_scope = Scope.CAMPAIGNS

    @extend_schema(responses=MembersShape)
    def get(self, request: ApiRequest, pk: int) -> Response:
        """Read who labels and reviews in the campaign. Researchers and admins."""
        access.only_researchers(request.user)
        return Response(members(access.campaign(request.user, pk)))

    @extend_schema(request=MembersShape, responses=MembersShape)
    def put(self, request: ApiRequest, pk: int) -> Response:
        """Make exactly these people the campaign's labelers, whoever changed them meanwhile.

        PATCH adds and removes single people instead. Researchers and admins.
        """
        access.only_researchers(request.user)
        campaign, given = access.campaign(request.user, pk), sent(MembersShape, request)
        with transaction.atomic():
            for listed, people in given.items():
                campaigns.set_people(campaign, request.user, listed, people)
        return Response(members(campaign))

    @extend_schema(request=ChangedMembersShape, responses=MembersShape)
    def patch(self, request: ApiRequest, pk: int) -> Response:
        """Add people to the campaign's labelers or take some away. Researchers and admins."""
        access.only_researchers(request.user)
        campaign, given = access.campaign(request.user, pk), sent(ChangedMembersShape, request)
        with transaction.atomic():
            for listed, change in given.items():
                campaigns.change_people(campaign, request.user, listed, **change)
        return Response(members(campaign))


class CampaignProgress(Endpoint):
    @extend_schema(responses=ProgressShape)
    def get(self, request: ApiRequest, pk: int) -> Response:
        """Read how far a campaign is. Researchers and admins."""
        access.only_researchers(request.user)
        found = shown(access.campaign(request.user, pk), PROGRESS)
        figures = found.told()
        said = figures.progress._asdict() | {"as_of": found.as_of, "hours": figures.cost}
        said["by_sampling"] = [{"sampling": state, "prompts": count} for state, count in said["by_sampling"]]
        names = ("rule", "standing", "reversed")
        said["intake"] = [dict(zip(names, row, strict=True)) for row in figures.decisions]
        return Response(ProgressShape(said).data)


def members(campaign: Campaign) -> dict[str, Any]:
    said: dict[str, Any] = MembersShape(campaigns.people_in(campaign)).data
    return said
