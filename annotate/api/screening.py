"""Screening: how its candidates did."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from annotate import access
from annotate.api.auth import ApiRequest
from annotate.api.endpoints import Endpoint
from annotate.api.figures import FigureShape
from annotate.screening_report import candidates


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
