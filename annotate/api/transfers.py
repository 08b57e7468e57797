"""Transfers: a file sent to be taken in, how far it is, what is wrong with it, and another try."""

from typing import Any

from django.core.files.uploadedfile import TemporaryUploadedFile
from django.http import StreamingHttpResponse
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.parsers import MultiPartParser
from rest_framework.response import Response

from annotate import access, tables
from annotate.actions import transfers
from annotate.api.auth import ApiRequest
from annotate.api.endpoints import Endpoint, once, sent
from annotate.api.shapes import username
from annotate.models import Scope, Transfer, TransferKind

KINDS = ["rankings", "demonstrations", "prompts"]
TOLD_PROBLEMS = 1000


class ProblemShape(serializers.Serializer[Any]):
    line = serializers.IntegerField()
    problem = serializers.CharField()


class TransferShape(serializers.ModelSerializer[Transfer]):
    address = serializers.SerializerMethodField(help_text="Where to ask how far it is.")
    asked = serializers.DictField()
    result = serializers.DictField(help_text="What an import added, by name.")
    problems = serializers.SerializerMethodField(help_text="Of the first refused lines.")
    created_by = username()

    class Meta:
        model = Transfer
        fields = (
            "id",
            "address",
            "campaign",
            "kind",
            "asked",
            "state",
            "reason",
            "rows",
            "total_rows",
            "bytes",
            "total_bytes",
            "refused",
            "problems",
            "result",
            "snapshot",
            "created_by",
            "created_at",
            "finished_at",
        )

    def get_address(self, row: Transfer) -> str:
        return reverse("api-transfer", args=[row.pk])

    @extend_schema_field(ProblemShape(many=True))
    def get_problems(self, row: Transfer) -> list[dict[str, Any]]:
        return [{"line": line, "problem": problem} for line, problem in row.problems[:TOLD_PROBLEMS]]


class UploadShape(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=KINDS)
    file = serializers.FileField(help_text="JSON Lines (also gzipped), CSV, Parquet or Arrow, by its name.")
    keep_good = serializers.BooleanField(
        required=False, default=False, help_text="Whether to add the good lines when others are wrong."
    )


class RetryShape(serializers.Serializer[Any]):
    keep_good = serializers.BooleanField(
        required=False, default=False, help_text="Of an import: with its good lines alone."
    )


class CampaignImports(Endpoint):
    write_scope = Scope.DATA
    parser_classes = (MultiPartParser,)

    @extend_schema(responses=TransferShape(many=True))
    def get(self, request: ApiRequest, pk: int) -> Response:
        """List a campaign's imports. Admins."""
        access.only_admins(request.user)
        rows = access.campaign(request.user, pk).transfers.filter(kind=TransferKind.IMPORT)
        return self.listed(rows.select_related("created_by"), TransferShape)

    @extend_schema(request={"multipart/form-data": UploadShape}, responses={202: TransferShape})
    def post(self, request: ApiRequest, pk: int) -> Response:
        """Send a file to be taken in by a worker; the same file twice adds nothing. Admins."""
        access.only_admins(request.user)
        campaign = access.campaign(request.user, pk)
        given = sent(UploadShape, request)
        file = given["file"]
        assert isinstance(file, TemporaryUploadedFile), "uploads are kept on disk"
        begun = transfers.ask_for_import(campaign, request.user, given["kind"], file, given["keep_good"])
        return Response(TransferShape(begun).data, status.HTTP_202_ACCEPTED)


class OneTransfer(Endpoint):
    @extend_schema(responses=TransferShape)
    def get(self, request: ApiRequest, pk: int) -> Response:
        """Read how far an import or a snapshot is. Admins; snapshots researchers too."""
        return Response(TransferShape(access.transfer(request.user, pk)).data)


class TransferProblems(Endpoint):
    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.STR})
    def get(self, request: ApiRequest, pk: int) -> StreamingHttpResponse:
        """Download an import's refused lines as CSV: the number of each and what is wrong with it. Admins."""
        lines = tables.safe_csv([("line", "problem"), *access.transfer(request.user, pk).problems])
        return StreamingHttpResponse(lines, content_type=tables.CONTENT_TYPES["csv"])


class CancelTransfer(Endpoint):
    write_scope = Scope.DATA

    @extend_schema(request=None, responses=TransferShape)
    @once
    def post(self, request: ApiRequest, pk: int) -> Response:
        """End a waiting transfer, or ask its worker to stop; nothing of it is kept."""
        transfers.cancel(access.transfer(request.user, pk), request.user)
        return Response(TransferShape(access.transfer(request.user, pk)).data)


class RetryTransfer(Endpoint):
    write_scope = Scope.DATA

    @extend_schema(request=RetryShape, responses=TransferShape)
    @once
    def post(self, request: ApiRequest, pk: int) -> Response:
        """Queue a failed transfer again."""
        keep_good = sent(RetryShape, request)["keep_good"]
        transfers.retry(access.transfer(request.user, pk), request.user, keep_good)
        return Response(TransferShape(access.transfer(request.user, pk)).data)
