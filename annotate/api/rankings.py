"""Rankings: what a labeler gets next, its draft, its submission; and a campaign's, for researchers."""

from typing import Any

from django.db.models import F, Prefetch
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.response import Response

from annotate import access, desk_access
from annotate.actions import answers, rankings, reviews
from annotate.actions.rankings import LONGEST_NOTES, Answer, Judgement
from annotate.api.auth import ApiRequest
from annotate.api.claims import AnswerShape, ClaimShape, SkipShape
from annotate.api.endpoints import NOTHING, Endpoint, once, sent
from annotate.api.shapes import username
from annotate.kept import waiting_for
from annotate.models import ClaimState, Flag, Purpose, RankedCompletion, Ranking, Scope
from annotate.reviewed import reviewed

LETTERS = list("ABCDEFGHI")


class OutputShape(serializers.Serializer[Any]):
    """A completion as its labeler sees it: by letter, in the order in which it is shown."""

    letter = serializers.ChoiceField(choices=LETTERS)
    text = serializers.CharField(allow_blank=True)
    rank = serializers.IntegerField(allow_null=True)
    rating = serializers.IntegerField(allow_null=True)
    flags = serializers.ListField(child=serializers.CharField())
    notes = serializers.CharField(allow_blank=True)


class RankingShape(ClaimShape):
    outputs = serializers.SerializerMethodField()
    notes = serializers.CharField(allow_blank=True)
    asks_review = serializers.BooleanField()

    @extend_schema_field(OutputShape(many=True))
    def get_outputs(self, ranking: Ranking) -> Any:
        rows = ranking.ranked_completions.annotate(text=F("completion__text"))
        return OutputShape(rows, many=True).data


class JudgementShape(serializers.Serializer[Any]):
    letter = serializers.ChoiceField(choices=LETTERS)
    rank = serializers.IntegerField(
        min_value=1,
        max_value=9,
        required=False,
        default=None,
        allow_null=True,
        help_text="1 is best; ties share.",
    )
    rating = serializers.IntegerField(min_value=1, max_value=7, required=False, default=None, allow_null=True)
    flags = serializers.ListField(
        child=serializers.CharField(max_length=30),
        required=False,
        default=list,
        help_text=f"Of {', '.join(Flag.values)}, and the campaign's own_flags.",
    )
    notes = serializers.CharField(
        max_length=LONGEST_NOTES, required=False, default="", allow_blank=True, trim_whitespace=False
    )


class RankingAnswerShape(AnswerShape):
    outputs: Any = serializers.ListSerializer(child=JudgementShape(), max_length=len(LETTERS))
    notes = serializers.CharField(
        max_length=LONGEST_NOTES, required=False, default="", allow_blank=True, trim_whitespace=False
    )
    asks_review = serializers.BooleanField(
        required=False, default=False, help_text="Somebody should look at the prompt again."
    )


class JudgedShape(serializers.ModelSerializer[RankedCompletion]):
    class Meta:
        model = RankedCompletion
        fields = ("completion", "place", "rank", "rating", "flags", "notes")


class JudgedRankingShape(serializers.ModelSerializer[Ranking]):
    """A submitted ranking, for researchers."""

    labeler = username()
    outputs = JudgedShape(many=True, source="ranked_completions")

    class Meta:
        model = Ranking
        fields = (
            "id",
            "prompt",
            "labeler",
            "prompt_flags",
            "notes",
            "asks_review",
            "is_review",
            "outputs",
            "seconds",
            "submitted_at",
            "frozen_at",
        )


class SaidShape(serializers.Serializer[Any]):
    """What one labeler said, in the order in which the reviewer sees the outputs."""

    number = serializers.IntegerField(help_text="Instead of the labeler's name.")
    outputs = JudgedShape(many=True, source="judgements")
    notes = serializers.CharField(allow_blank=True)


class ReviewShape(RankingShape):
    """A review in the making, with the answers that it looks at; submit it as any ranking."""

    reviewed = serializers.SerializerMethodField()

    @extend_schema_field(SaidShape(many=True))
    def get_reviewed(self, ranking: Ranking) -> Any:
        return SaidShape(reviewed(ranking), many=True).data


class WaitingShape(serializers.Serializer[Any]):
    prompt = serializers.IntegerField()
    text = serializers.CharField()
    alike = serializers.FloatField(
        allow_null=True, help_text="The share of comparisons that its labelers made alike."
    )
    is_asked = serializers.BooleanField(help_text="A labeler asks for a second look.")


class CampaignReviews(Endpoint):
    pagination_class = None

    @extend_schema(responses=WaitingShape(many=True))
    def get(self, request: ApiRequest, pk: int) -> Response:
        """List the first prompts that wait for a second look. Researchers, and a campaign's reviewers."""
        campaign = access.reviewing_campaign(request.user, pk)
        return Response(WaitingShape(waiting_for(campaign, request.user), many=True).data)


class NextReview(Endpoint):
    write_scope = Scope.LABEL

    @extend_schema(request=None, responses={200: ReviewShape} | NOTHING)
    def post(self, request: ApiRequest, pk: int) -> Response:
        """Claim the next prompt that labelers disagree on; 204 if none waits. Researchers, reviewers."""
        review = reviews.claim_next(access.reviewing_campaign(request.user, pk), request.user)
        return Response(ReviewShape(review).data) if review else Response(status=204)


class NextRanking(Endpoint):
    write_scope = Scope.LABEL

    @extend_schema(request=None, responses={200: RankingShape} | NOTHING)
    def post(self, request: ApiRequest, pk: int) -> Response:
        """Claim what the token's owner ranks next, unfinished work first; 204 if nothing is left."""
        ranking = rankings.claim_next(access.labeling_campaign(request.user, pk), request.user)
        return Response(RankingShape(ranking).data) if ranking else Response(status=204)


class RankPrompt(Endpoint):
    write_scope = Scope.LABEL

    @extend_schema(request=None, responses=RankingShape)
    def post(self, request: ApiRequest, pk: int) -> Response:
        """Claim a prompt that one wrote oneself, or answer one's ranking of it."""
        prompt = access.prompt(request.user, pk)
        access.labeling_campaign(request.user, prompt.campaign_id)
        return Response(RankingShape(rankings.claim_prompt(prompt, request.user)).data)


class OneRanking(Endpoint):
    @extend_schema(responses=RankingShape)
    def get(self, request: ApiRequest, pk: int) -> Response:
        """Read a ranking of one's own."""
        return Response(RankingShape(access.ranking(request.user, pk)).data)


class RankingDraft(Endpoint):
    write_scope = Scope.LABEL

    @extend_schema(request=RankingAnswerShape, responses=RankingShape)
    def put(self, request: ApiRequest, pk: int) -> Response:
        """Keep an unfinished answer and renew the claim."""
        ranking = desk_access.answered_ranking(request.user, pk)
        rankings.save_draft(ranking, answer_in(sent(RankingAnswerShape, request)))
        return Response(RankingShape(access.ranking(request.user, pk)).data)


class SubmitRanking(Endpoint):
    write_scope = Scope.LABEL

    @extend_schema(request=RankingAnswerShape, responses=RankingShape)
    @once
    def post(self, request: ApiRequest, pk: int) -> Response:
        """Make an answer count: every output rated and ranked. The same again changes nothing."""
        rankings.submit(
            desk_access.answered_ranking(request.user, pk), answer_in(sent(RankingAnswerShape, request))
        )
        return Response(RankingShape(access.ranking(request.user, pk)).data)


class SkipRanking(Endpoint):
    write_scope = Scope.LABEL

    @extend_schema(request=SkipShape, responses=RankingShape)
    @once
    def post(self, request: ApiRequest, pk: int) -> Response:
        """Let the prompt go to others, saying why."""
        answers.skip(access.ranking(request.user, pk), **sent(SkipShape, request))
        return Response(RankingShape(access.ranking(request.user, pk)).data)


class UndoRanking(Endpoint):
    write_scope = Scope.LABEL

    @extend_schema(request=None, responses=RankingShape)
    @once
    def post(self, request: ApiRequest, pk: int) -> Response:
        """Take a submission of the last ten seconds back."""
        answers.undo(access.ranking(request.user, pk))
        return Response(RankingShape(access.ranking(request.user, pk)).data)


class CampaignRankings(Endpoint):
    @extend_schema(responses=JudgedRankingShape(many=True))
    def get(self, request: ApiRequest, pk: int) -> Response:
        """List a campaign's submitted rankings, hidden checks left out. Researchers and admins."""
        access.only_researchers(request.user)
        rows = access.judged_rankings(request.user).filter(prompt__campaign=access.campaign(request.user, pk))
        rows = rows.filter(state=ClaimState.SUBMITTED, purpose=Purpose.DATA)
        judged = Prefetch("ranked_completions", RankedCompletion.objects.order_by("place"))
        return self.listed(rows.prefetch_related(judged), JudgedRankingShape)


def answer_in(given: dict[str, Any]) -> Answer:
    """Return what was sent as the actions take it."""
    judgements = {
        one["letter"]: Judgement(one["rank"], one["rating"], tuple(one["flags"]), one["notes"])
        for one in given["outputs"]
    }
    flags = tuple(given["prompt_flags"])
    return Answer(judgements, given["notes"], flags, given["seconds"], given["asks_review"])
