"""Data out: snapshots and exports."""

from typing import Any

from django.http import Http404, HttpResponse, HttpResponseBase, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.response import Response

from annotate import access, datasets, file_ranges, tables
from annotate.actions import transfers
from annotate.actions.audit import record
from annotate.actions.snapshot_files import file_of
from annotate.api.auth import ApiRequest
from annotate.api.endpoints import Endpoint, chosen, once, sent
from annotate.api.shapes import IdField, username
from annotate.api.transfers import TransferShape
from annotate.data_card import card
from annotate.models import Purpose, Scope, Snapshot, Split
from annotate.snapshot_query import SnapshotQuery

FORMAT = OpenApiParameter("format", enum=list(tables.FORMATS), default="jsonl")
NAMED = [content_type.partition(";")[0] for content_type in tables.CONTENT_TYPES.values()]
FILES = {(200, named): OpenApiTypes.BINARY for named in NAMED}
PARTS = {(status, named): OpenApiTypes.BINARY for status in (206, 416) for named in NAMED}
RANGE = OpenApiParameter("Range", str, OpenApiParameter.HEADER, description="bytes=FIRST-: the rest of it.")
IF_RANGE = OpenApiParameter(
    "If-Range", str, OpenApiParameter.HEADER, description="An ETag: the rest only if it is the same file."
)
ONLY_REVIEWS = OpenApiParameter(
    "only_reviews",
    enum=["yes", "no"],
    default="no",
    description="Of reviewed prompts the review alone; else it stands beside the rankings.",
)
PURPOSE = OpenApiParameter(
    "purpose",
    enum=Purpose.values,
    default="data",
    description="Of which rankings: data, or else those alone that checked labelers on gold or by a repeat.",
)
MOST_VERSIONS = 2**31 - 1


class SnapshotShape(serializers.ModelSerializer[Snapshot]):
    query = serializers.DictField(help_text="What it was asked for; {} is all of its campaign.")
    manifest = serializers.DictField()
    facts = serializers.DictField(help_text="What its data card says: agreement, lengths, instructions.")
    created_by = username()

    class Meta:
        model = Snapshot
        fields = ("id", "campaign", "sha256", "query", "manifest", "facts", "created_by", "created_at")


class SnapshotQueryShape(serializers.Serializer[Any]):
    """What goes in; what is left out restricts nothing."""

    campaigns = IdField(
        rows=access.campaigns, many=True, required=False, help_text="Others besides this one."
    )
    since = serializers.DateField(
        required=False, allow_null=True, help_text="When answers were submitted, and prompts came in."
    )
    until = serializers.DateField(required=False, allow_null=True, help_text="The last day.")
    labelers = serializers.ListField(
        child=serializers.CharField(max_length=150), required=False, help_text="Names, of whose answers."
    )
    splits = serializers.MultipleChoiceField(choices=Split.choices, required=False)
    instructions = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=MOST_VERSIONS),
        required=False,
        help_text="Versions that answers were given under.",
    )
    agreement = serializers.FloatField(
        min_value=0,
        max_value=1,
        required=False,
        allow_null=True,
        help_text="Rankings only of prompts whose labelers decided at least this share of comparisons alike.",
    )
    keep_single = serializers.BooleanField(
        required=False, help_text="Whether to keep rankings of prompts where no two can be compared."
    )
    only_reviews = serializers.BooleanField(
        required=False, help_text="Of reviewed prompts the review alone; else it stands beside the rankings."
    )


class CampaignSnapshots(Endpoint):
    write_scope = Scope.RUNS

    @extend_schema(responses=SnapshotShape(many=True))
    def get(self, request: ApiRequest, pk: int) -> Response:
        """List a campaign's snapshots. Researchers and admins."""
        access.only_researchers(request.user)
        rows = access.campaign(request.user, pk).snapshots.select_related("created_by")
        return self.listed(rows, SnapshotShape)

    @extend_schema(request=SnapshotQueryShape, responses={202: TransferShape})
    @once
    def post(self, request: ApiRequest, pk: int) -> Response:
        """Ask for a snapshot of what is submitted and fits; a worker takes it. Researchers and admins.

        The transfer tells how far it is, and in the end which snapshot it became: an equal one that is there
        already is not taken again.
        """
        access.only_researchers(request.user)
        campaign = access.campaign(request.user, pk)
        query = SnapshotQuery(**sent(SnapshotQueryShape, request))
        begun = transfers.ask_for_snapshot(campaign, request.user, query)
        return Response(TransferShape(begun).data, status.HTTP_202_ACCEPTED)


class OneSnapshot(Endpoint):
    @extend_schema(responses=SnapshotShape)
    def get(self, request: ApiRequest, pk: int) -> Response:
        """Read a snapshot's hash and manifest. Researchers and admins."""
        return Response(SnapshotShape(access.snapshot(request.user, pk)).data)


class SnapshotCard(Endpoint):
    @extend_schema(responses={(200, "text/markdown"): OpenApiTypes.STR})
    def get(self, request: ApiRequest, pk: int) -> HttpResponse:
        """Read a snapshot's data card, as Markdown. Researchers and admins."""
        told = card(access.snapshot(request.user, pk))
        return HttpResponse(told, content_type="text/markdown; charset=utf-8")


class SnapshotFile(Endpoint):
    read_scope = write_scope = Scope.DATA

    @extend_schema(parameters=[FORMAT, RANGE, IF_RANGE], responses=FILES | PARTS)
    def get(self, request: ApiRequest, pk: int, kind: str) -> HttpResponseBase:
        """Download one kind of a snapshot's rows, or go on where a download broke off. Admins.

        409 says that the file of a big snapshot is not made yet: POST asks a worker for it.
        """
        snapshot, form = self._asked(request, pk, kind)
        record(request.user, "downloaded", snapshot, kind=kind, format=form)
        try:
            file = file_of(snapshot, kind, form)
        except FileNotFoundError as error:
            raise Http404 from error
        return file_ranges.answer(request.headers, file.path, file.sha256, tables.CONTENT_TYPES[form])

    @extend_schema(request=None, parameters=[FORMAT], responses={202: TransferShape})
    @once
    def post(self, request: ApiRequest, pk: int, kind: str) -> Response:
        """Ask a worker for a file that is not made yet; the transfer tells how far it is. Admins."""
        snapshot, form = self._asked(request, pk, kind)
        begun = transfers.ask_for_file(snapshot, request.user, kind, form)
        return Response(TransferShape(begun).data, status.HTTP_202_ACCEPTED)

    def _asked(self, request: ApiRequest, pk: int, kind: str) -> tuple[Snapshot, str]:
        access.only_admins(request.user)
        snapshot = access.snapshot(request.user, pk)
        if kind not in datasets.KINDS:
            raise Http404
        return snapshot, chosen(request, FORMAT)


class CampaignExport(Endpoint):
    read_scope = Scope.DATA

    @extend_schema(parameters=[FORMAT, ONLY_REVIEWS, PURPOSE], responses=FILES)
    def get(self, request: ApiRequest, pk: int, kind: str) -> StreamingHttpResponse:
        """Stream one kind of a campaign's rows, as they are now. Admins."""
        access.only_admins(request.user)
        campaign = access.campaign(request.user, pk)
        if kind not in datasets.KINDS:
            raise Http404
        form, purpose = chosen(request, FORMAT), chosen(request, PURPOSE)
        only_reviews = chosen(request, ONLY_REVIEWS) == "yes"
        record(request.user, "exported", campaign, kind=kind, format=form, purpose=purpose)
        rows = datasets.of_campaign(campaign, only_reviews=only_reviews, purpose=purpose)
        lines = datasets.lines(kind, rows)
        told = tables.blocks(tables.chunks(kind, form, lines))
        return StreamingHttpResponse(told, content_type=tables.CONTENT_TYPES[form])
