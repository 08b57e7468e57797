"""Screening: how its candidates did, their demonstrations graded, their word on themselves, decisions."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.response import Response

from annotate import access
from annotate.actions import screening
from annotate.actions.screening import BEST_GRADE, LONGEST_TEXT
from annotate.api.auth import ApiRequest
from annotate.api.endpoints import NOTHING, Endpoint, once, sent
from annotate.api.figures import FigureShape
from annotate.api.shapes import IdField, MessageShape, NameField, username
from annotate.models import Demonstration, Grade, Scope, ScreeningDecision, SelfAssessment
from annotate.screening_report import candidates, next_to_grade


class ScreeningDecisionShape(serializers.ModelSerializer[ScreeningDecision]):
    candidate = username()
    decided_by = username()

    class Meta:
        model = ScreeningDecision
        fields = ("id", "candidate", "is_accepted", "joins", "note", "decided_by", "created_at")


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


class ToGradeShape(serializers.ModelSerializer[Demonstration]):
    """A candidate's demonstration; who wrote it is not said."""

    messages = MessageShape(many=True, source="prompt.messages")

    class Meta:
        model = Demonstration
        fields = ("id", "prompt", "messages", "text")


class NewGradeShape(serializers.Serializer[Any]):
    demonstration = IdField(rows=access.candidates_demonstrations)
    grade = serializers.IntegerField(min_value=1, max_value=BEST_GRADE, help_text="7 is best.")


class GradeShape(serializers.ModelSerializer[Grade]):
    grader = username()

    class Meta:
        model = Grade
        fields = ("demonstration", "grader", "grade", "created_at")


class NewDecisionShape(serializers.Serializer[Any]):
    candidate = NameField(rows=access.people)
    is_accepted = serializers.BooleanField()
    joins = IdField(
        rows=access.campaigns_to_join,
        required=False,
        allow_null=True,
        default=None,
        help_text="The campaign in which whoever is accepted labels from now on.",
    )
    note = serializers.CharField(max_length=LONGEST_TEXT, required=False, default="", allow_blank=True)


class SelfAssessmentShape(serializers.ModelSerializer[SelfAssessment]):
    text = serializers.CharField(
        max_length=LONGEST_TEXT, help_text="For what topics or groups one can identify sensitive speech."
    )

    class Meta:
        model = SelfAssessment
        fields = ("text", "written_at")
        read_only_fields = ("written_at",)


class CampaignScreening(Endpoint):
    pagination_class = None

    @extend_schema(responses=CandidateShape(many=True))
    def get(self, request: ApiRequest, pk: int) -> Response:
        """Read how a screening's candidates did. Researchers and admins."""
        access.only_researchers(request.user)
        found = candidates(access.screening(request.user, pk))
        return Response(CandidateShape(found, many=True).data)


class NextToGrade(Endpoint):
    @extend_schema(responses={200: ToGradeShape} | NOTHING)
    def get(self, request: ApiRequest, pk: int) -> Response:
        """Read one demonstration that one has not graded; 204 if none is left. Researchers and admins."""
        access.only_researchers(request.user)
        found = next_to_grade(access.screening(request.user, pk), request.user)
        return Response(ToGradeShape(found).data) if found else Response(status=204)


class Grades(Endpoint):
    write_scope = Scope.LABEL

    @extend_schema(request=NewGradeShape, responses={201: GradeShape})
    @once
    def post(self, request: ApiRequest) -> Response:
        """Grade a candidate's demonstration, in place of one's earlier grade. Researchers and admins."""
        access.only_researchers(request.user)
        given = sent(NewGradeShape, request)
        graded = screening.grade(given["demonstration"], request.user, given["grade"])
        return Response(GradeShape(graded).data, status.HTTP_201_CREATED)


class ScreeningDecisions(Endpoint):
    write_scope = Scope.PEOPLE

    @extend_schema(responses=ScreeningDecisionShape(many=True))
    def get(self, request: ApiRequest, pk: int) -> Response:
        """List what was decided on candidates; of each the newest holds. Researchers and admins."""
        access.only_researchers(request.user)
        rows = access.screening(request.user, pk).screening_decisions
        return self.listed(rows.select_related("candidate", "decided_by"), ScreeningDecisionShape)

    @extend_schema(request=NewDecisionShape, responses={201: ScreeningDecisionShape})
    @once
    def post(self, request: ApiRequest, pk: int) -> Response:
        """Accept or decline a candidate. Admins."""
        access.only_admins(request.user)
        campaign, given = access.screening(request.user, pk), sent(NewDecisionShape, request)
        decided = screening.decide(campaign, request.user, **given)
        return Response(ScreeningDecisionShape(decided).data, status.HTTP_201_CREATED)


class OwnSelfAssessment(Endpoint):
    write_scope = Scope.LABEL

    @extend_schema(responses={200: SelfAssessmentShape} | NOTHING)
    def get(self, request: ApiRequest, pk: int) -> Response:
        """Read what one said of oneself as a candidate; 204 before that."""
        said = access.candidacy(request.user, pk).self_assessments.filter(labeler=request.user).first()
        return Response(SelfAssessmentShape(said).data) if said else Response(status=204)

    @extend_schema(request=SelfAssessmentShape, responses=SelfAssessmentShape)
    def put(self, request: ApiRequest, pk: int) -> Response:
        """Say for what topics or groups one can identify sensitive speech, in one's own words."""
        campaign = access.candidacy(request.user, pk)
        said = screening.assess_oneself(campaign, request.user, sent(SelfAssessmentShape, request)["text"])
        return Response(SelfAssessmentShape(said).data)
