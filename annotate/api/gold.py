"""Gold items: a campaign's list of them, marking a ranking as gold, taking it back."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from annotate import access
from annotate.actions import gold
from annotate.api.auth import ApiRequest
from annotate.api.endpoints import NOTHING, Endpoint, once
from annotate.api.shapes import username
from annotate.models import GoldItem, Scope


class GoldItemShape(serializers.ModelSerializer[GoldItem]):
    marked_by = username()

    class Meta:
        model = GoldItem
        fields = ("id", "prompt", "ranks", "ranking", "marked_by", "created_at")
        extra_kwargs = {"ranks": {"help_text": "In the order in which the prompt has its completions."}}


class CheckingGoldItemShape(GoldItemShape):
    answers = serializers.IntegerField(help_text="How many labelers it has checked.")

    class Meta:
        model = GoldItem
        fields = (*GoldItemShape.Meta.fields, "answers")


class CampaignGold(Endpoint):
    @extend_schema(responses=CheckingGoldItemShape(many=True))
    def get(self, request: ApiRequest, pk: int) -> Response:
        """List a campaign's gold items. Researchers and admins."""
        access.only_researchers(request.user)
        rows = access.gold_items(request.user).filter(prompt__campaign=access.campaign(request.user, pk))
        return self.listed(rows.with_answers(), CheckingGoldItemShape)


class MarkGold(Endpoint):
    write_scope = Scope.CAMPAIGNS

    @extend_schema(request=None, responses=GoldItemShape)
    @once
    def post(self, request: ApiRequest, pk: int) -> Response:
        """Make a submitted ranking gold, in place of its prompt's earlier one. Researchers and admins."""
        marked = gold.mark(access.judged_ranking(request.user, pk), request.user)
        return Response(GoldItemShape(marked).data)


class OneGoldItem(Endpoint):
    write_scope = Scope.CAMPAIGNS

    @extend_schema(responses=GoldItemShape)
    def get(self, request: ApiRequest, pk: int) -> Response:
        """Read a gold item. Researchers and admins."""
        return Response(GoldItemShape(access.gold_item(request.user, pk)).data)

    @extend_schema(request=None, responses=NOTHING)
    @once
    def delete(self, request: ApiRequest, pk: int) -> Response:
        """Let a prompt be gold no more: it checks nobody from now on. Researchers and admins."""
        gold.unmark(access.gold_item(request.user, pk), request.user)
        return Response(status=204)
