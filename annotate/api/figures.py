"""Figures: how far labelers agree, which policies win, and how far a campaign's kept figures are."""

import dataclasses
from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.response import Response

from annotate import access
from annotate.actions.kept_figures import ask_anew
from annotate.api.auth import ApiRequest
from annotate.api.endpoints import Endpoint, once
from annotate.kept import AGREEMENT, SUBJECTS, WIN_RATES, shown
from annotate.models import KeptFigures, Scope


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


class WinRateShape(serializers.Serializer[Any]):
    winner = serializers.CharField(help_text="A policy's name.")
    loser = serializers.CharField()
    share = FigureShape(help_text="Of comparisons of the two; a tie is half a win.")


class WinRatesShape(serializers.Serializer[Any]):
    pairs = WinRateShape(many=True)
    as_of = serializers.DateTimeField(allow_null=True, help_text="Of a big campaign; null means now.")


class CampaignWinRates(Endpoint):
    @extend_schema(responses=WinRatesShape)
    def get(self, request: ApiRequest, pk: int) -> Response:
        """Read how often one policy's completions are ranked above another's. Researchers and admins."""
        access.only_researchers(request.user)
        found = shown(access.campaign(request.user, pk), WIN_RATES)
        return Response(WinRatesShape({"pairs": found.told().pairs, "as_of": found.as_of}).data)


class CampaignAgreement(Endpoint):
    @extend_schema(responses=AgreementShape)
    def get(self, request: ApiRequest, pk: int) -> Response:
        """Read how far a campaign's labelers agree, with intervals. Researchers and admins."""
        access.only_researchers(request.user)
        found = shown(access.campaign(request.user, pk), AGREEMENT)
        report = found.told()
        said = {each.name: getattr(report, each.name) for each in dataclasses.fields(report)}
        return Response(AgreementShape(said | {"as_of": found.as_of}).data)


class KeptFiguresShape(serializers.ModelSerializer[KeptFigures]):
    """How far the figures of a big campaign are; a small one's are always of this moment."""

    subject = serializers.ChoiceField(choices=list(SUBJECTS))

    class Meta:
        model = KeptFigures
        fields = ("subject", "as_of", "seconds", "began_at", "is_asked_for")
        extra_kwargs = {
            "as_of": {"help_text": "Null until they are worked out for the first time."},
            "seconds": {"help_text": "How long that took."},
            "began_at": {"help_text": "Since when a worker has been at it; null while none is."},
        }


class CampaignFigures(Endpoint):
    @extend_schema(responses=KeptFiguresShape)
    def get(self, request: ApiRequest, pk: int, subject: str) -> Response:
        """Read how old a campaign's kept figures on a subject are. Researchers and admins."""
        return Response(KeptFiguresShape(kept_figures(request, pk, subject)).data)


class FiguresAnew(Endpoint):
    write_scope = Scope.CAMPAIGNS

    @extend_schema(request=None, responses={202: KeptFiguresShape})
    @once
    def post(self, request: ApiRequest, pk: int, subject: str) -> Response:
        """Have a worker work them out soon, however fresh they are. Researchers and admins."""
        ask_anew(kept_figures(request, pk, subject).campaign, subject)
        found = kept_figures(request, pk, subject)
        return Response(KeptFiguresShape(found).data, status.HTTP_202_ACCEPTED)


def kept_figures(request: ApiRequest, pk: int, subject: str) -> KeptFigures:
    access.only_researchers(request.user)
    campaign = access.campaign(request.user, pk)
    if subject not in SUBJECTS:
        raise Http404
    return access.kept_figures(request.user, campaign, subject)
