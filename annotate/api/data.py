"""Data out: snapshots, exports, and how far a campaign's labelers agree."""

import dataclasses
from typing import Any

from django.http import Http404, HttpResponseBase, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.response import Response

from annotate import access, datasets, file_ranges, tables
from annotate.actions.audit import record
from annotate.actions.snapshot_files import file_of
from annotate.actions.snapshots import take_snapshot
from annotate.api.auth import ApiRequest
from annotate.api.endpoints import Endpoint, once, sent
from annotate.api.shapes import IdField, username
from annotate.kept import AGREEMENT, shown
from annotate.models import Scope, Snapshot, Split
from annotate.screening_report import candidates
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


class FigureShape(serializers.Serializer[Any]):
    """A share with its 95 % interval; null where there is not enough overlap yet."""

    value = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    count = serializers.IntegerField()
    prompts = serializers.IntegerField()
    needed = serializers.IntegerField()


class LabelerFiguresShape(serializers.Serializer[Any]):
    labeler = serializers.CharField()
    rankings = serializers.IntegerField()
    median_seconds = serializers.FloatField(allow_null=True)
    agreement = FigureShape()
    agreement_with_ties = FigureShape()
    self_consistency = FigureShape()
    gold_accuracy = FigureShape(help_text="Of what gold items decide, the share decided alike.")


class GroupFigureShape(serializers.Serializer[Any]):
    of = serializers.ListField(child=serializers.CharField())
    agreement = FigureShape()


class DaysFigureShape(serializers.Serializer[Any]):
    time = serializers.IntegerField(help_text="Unix seconds.")
    agreement = FigureShape()


class AgreementShape(serializers.Serializer[Any]):
    rankings = serializers.IntegerField()
    agreement = FigureShape()
    agreement_with_ties = FigureShape()
    held_out_agreement = FigureShape(help_text="Of held-out labelers with each other.")
    tau_b = FigureShape()
    self_consistency = FigureShape()
    gold_accuracy = FigureShape(help_text="Of what gold items decide, the share decided alike.")
    rating_alpha = FigureShape()
    flag_alphas = serializers.DictField(child=FigureShape())
    earlier_chosen = FigureShape()
    longer_chosen = FigureShape()
    median_seconds = serializers.FloatField(allow_null=True)
    labelers = LabelerFiguresShape(many=True)
    pairs = GroupFigureShape(many=True)
    categories = GroupFigureShape(many=True)
    over_time = DaysFigureShape(many=True)
    as_of = serializers.DateTimeField(allow_null=True, help_text="Of a big campaign; null means now.")


class CampaignSnapshots(Endpoint):
    write_scope = Scope.RUNS

    @extend_schema(responses=SnapshotShape(many=True))
    def get(self, request: ApiRequest, pk: int) -> Response:
        """List a campaign's snapshots. Researchers and admins."""
        access.only_researchers(request.user)
        rows = access.campaign(request.user, pk).snapshots.select_related("created_by")
        return self.listed(rows, SnapshotShape)

    @extend_schema(request=SnapshotQueryShape, responses={201: SnapshotShape})
    @once
    def post(self, request: ApiRequest, pk: int) -> Response:
        """Take a snapshot of what is submitted and asked for, or answer an equal one that is there."""
        access.only_researchers(request.user)
        campaign = access.campaign(request.user, pk)
        query = SnapshotQuery(**sent(SnapshotQueryShape, request))
        taken = take_snapshot(campaign, request.user, query)
        return Response(SnapshotShape(taken).data, status.HTTP_201_CREATED)


class OneSnapshot(Endpoint):
    @extend_schema(responses=SnapshotShape)
    def get(self, request: ApiRequest, pk: int) -> Response:
        """Read a snapshot's hash and manifest. Researchers and admins."""
        return Response(SnapshotShape(access.snapshot(request.user, pk)).data)


class SnapshotFile(Endpoint):
    read_scope = Scope.DATA

    @extend_schema(parameters=[FORMAT, RANGE, IF_RANGE], responses=FILES | PARTS)
    def get(self, request: ApiRequest, pk: int, kind: str) -> HttpResponseBase:
        """Download one kind of a snapshot's rows, or go on where a download broke off. Admins."""
        access.only_admins(request.user)
        snapshot = access.snapshot(request.user, pk)
        form = request.query_params.get("format", "jsonl")
        if kind not in datasets.KINDS or form not in tables.FORMATS:
            raise Http404
        record(request.user, "downloaded", snapshot, kind=kind, format=form)
        try:
            file = file_of(snapshot, kind, form)
        except FileNotFoundError as error:
            raise Http404 from error
        return file_ranges.answer(request.headers, file.path, file.sha256, tables.CONTENT_TYPES[form])


class CampaignExport(Endpoint):
    read_scope = Scope.DATA

    @extend_schema(parameters=[FORMAT, ONLY_REVIEWS], responses=FILES)
    def get(self, request: ApiRequest, pk: int, kind: str) -> StreamingHttpResponse:
        """Stream one kind of a campaign's rows, as they are now. Admins."""
        access.only_admins(request.user)
        campaign = access.campaign(request.user, pk)
        form = request.query_params.get("format", "jsonl")
        if kind not in datasets.KINDS or form not in tables.FORMATS:
            raise Http404
        record(request.user, "exported", campaign, kind=kind, format=form)
        only_reviews = request.query_params.get("only_reviews") == "yes"
        lines = datasets.lines(kind, datasets.of_campaign(campaign, only_reviews=only_reviews))
        return StreamingHttpResponse(
            tables.chunks(kind, form, lines), content_type=tables.CONTENT_TYPES[form]
        )


class CandidateShape(serializers.Serializer[Any]):
    """A candidate's figures, with the paper's soft cut-offs in mind: 0.75, 0.75 and 6 of 7."""

    candidate = serializers.CharField(source="name")
    flags = FigureShape(source="figures.flags", help_text="Completions flagged sensitive as researchers do.")
    rankings = FigureShape(source="figures.rankings", help_text="Comparisons decided as researchers do.")
    grade = FigureShape(source="figures.grade", help_text="Of demonstrations, from 1 to 7.")
    self_assessment = serializers.CharField(allow_blank=True)
    is_accepted = serializers.BooleanField(
        source="decision.is_accepted", default=None, allow_null=True, help_text="Null while undecided."
    )


class CampaignScreening(Endpoint):
    pagination_class = None

    @extend_schema(responses=CandidateShape(many=True))
    def get(self, request: ApiRequest, pk: int) -> Response:
        """Read how a screening's candidates did. Researchers and admins."""
        access.only_researchers(request.user)
        found = candidates(access.screening(request.user, pk))
        return Response(CandidateShape(found, many=True).data)


class CampaignAgreement(Endpoint):
    @extend_schema(responses=AgreementShape)
    def get(self, request: ApiRequest, pk: int) -> Response:
        """Read how far a campaign's labelers agree, with intervals. Researchers and admins."""
        access.only_researchers(request.user)
        found = shown(access.campaign(request.user, pk), AGREEMENT)
        report = found.told()
        said = {each.name: getattr(report, each.name) for each in dataclasses.fields(report)}
        return Response(AgreementShape(said | {"as_of": found.as_of}).data)
