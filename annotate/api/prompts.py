"""Prompts: the list, one with its completions, one's own, and those of a product's customers."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.response import Response

from annotate import access
from annotate.actions import customer_prompts, prompts, sampling
from annotate.actions.customer_prompts import CustomerPrompt
from annotate.api.auth import ApiRequest
from annotate.api.endpoints import Endpoint, chosen, once, sent
from annotate.api.shapes import MessagesField, MessageShape, username
from annotate.models import Completion, Kind, Notice, Prompt, PromptFlag, Sampling, Scope

SAMPLING = OpenApiParameter("sampling", enum=Sampling.values, description="Those whose sampling is there.")
MOST_PROMPTS = 500
"""In one request."""
MOST_PAIRS = 50


class NoticeShape(serializers.ModelSerializer[Notice]):
    class Meta:
        model = Notice
        fields = ("version", "shown_at")


class PromptShape(serializers.ModelSerializer[Prompt]):
    author = username()
    messages = MessageShape(many=True)
    flags = serializers.ListField(child=serializers.ChoiceField(choices=PromptFlag.choices))

    class Meta:
        model = Prompt
        fields = (
            "id",
            "campaign",
            "source_id",
            "kind",
            "use_case",
            "messages",
            "author",
            "source",
            "category",
            "flags",
            "language",
            "split",
            "sampling",
            "sampling_reason",
            "created_at",
        )


class NewPromptShape(serializers.Serializer[Any]):
    messages = MessagesField(child=MessageShape(), min_length=1, max_length=100)
    use_case = serializers.CharField(max_length=200, required=False, default="", allow_blank=True)
    category = serializers.CharField(max_length=50, required=False, default="", allow_blank=True)
    flags = serializers.ListField(
        child=serializers.ChoiceField(choices=PromptFlag.choices), required=False, default=list
    )


class PairShape(serializers.Serializer[Any]):
    query = serializers.CharField(trim_whitespace=False)
    response = serializers.CharField(trim_whitespace=False)


class NewFewShotShape(serializers.Serializer[Any]):
    instruction = serializers.CharField(trim_whitespace=False)
    pairs: Any = serializers.ListSerializer(
        child=PairShape(),
        min_length=2,
        max_length=MOST_PAIRS,
        help_text="Each is asked once, the others its examples.",
    )
    category = serializers.CharField(max_length=50, required=False, default="", allow_blank=True)
    flags = serializers.ListField(
        child=serializers.ChoiceField(choices=PromptFlag.choices), required=False, default=list
    )


class NewPromptsShape(serializers.Serializer[Any]):
    prompts: Any = serializers.ListSerializer(child=NewPromptShape(), min_length=1, max_length=MOST_PROMPTS)


class NewCustomerPromptShape(serializers.Serializer[Any]):
    id = serializers.CharField(
        max_length=200,
        required=False,
        default="",
        allow_blank=True,
        help_text="The product's own id: the same one twice adds one prompt.",
    )
    messages = MessagesField(child=MessageShape(), min_length=1, max_length=100)
    customer = serializers.CharField(
        max_length=100,
        help_text="Who wrote it, by a name that stays: all prompts of one customer stand in one split.",
    )
    notice = NoticeShape(
        help_text="Which notice the customer was shown, and when: that prompts may train models."
    )
    category = serializers.CharField(max_length=50, required=False, default="", allow_blank=True)
    language = serializers.CharField(max_length=20, required=False, default="", allow_blank=True)


class NewCustomerPromptsShape(serializers.Serializer[Any]):
    prompts: Any = serializers.ListSerializer(
        child=NewCustomerPromptShape(), min_length=1, max_length=MOST_PROMPTS
    )


class AddedPromptsShape(serializers.Serializer[Any]):
    prompts = PromptShape(many=True)


class QueuedShape(serializers.Serializer[Any]):
    prompts = serializers.IntegerField(help_text="How many are queued again.")


class CompletionShape(serializers.ModelSerializer[Completion]):
    """A completion as its prompt's author sees it: nothing says which policy wrote it."""

    class Meta:
        model = Completion
        fields = ("id", "place", "text", "created_at")


class SampledCompletionShape(serializers.ModelSerializer[Completion]):
    """The same for researchers: by which policy, and how it was sampled."""

    policy_name = serializers.CharField(source="policy.name")

    class Meta:
        model = Completion
        fields = (
            "id",
            "prompt",
            "place",
            "text",
            "policy",
            "policy_name",
            "seed",
            "temperature",
            "token_count",
            "finish_reason",
            "engine",
            "created_at",
        )


class CampaignPrompts(Endpoint):
    write_scope = Scope.PROMPTS

    @extend_schema(parameters=[SAMPLING], responses=PromptShape(many=True))
    def get(self, request: ApiRequest, pk: int) -> Response:
        """List a campaign's prompts: all for researchers, else one's own."""
        rows = access.prompts(request.user).filter(campaign=access.campaign(request.user, pk))
        if state := chosen(request, SAMPLING):
            rows = rows.filter(sampling=state)
        return self.listed(rows.select_related("author"), PromptShape)

    @extend_schema(request=NewPromptsShape, responses={201: AddedPromptsShape})
    @once
    def post(self, request: ApiRequest, pk: int) -> Response:
        """Add prompts of one's own to a campaign that one labels in: all of them or none."""
        campaign = access.labeling_campaign(request.user, pk)
        given = sent(NewPromptsShape, request)["prompts"]
        added = prompts.write_prompts(campaign, request.user, [_plain(one) for one in given])
        return Response(AddedPromptsShape({"prompts": added}).data, status.HTTP_201_CREATED)


class FewShotPrompts(Endpoint):
    write_scope = Scope.PROMPTS

    @extend_schema(request=NewFewShotShape, responses={201: AddedPromptsShape})
    @once
    def post(self, request: ApiRequest, pk: int) -> Response:
        """Add a few-shot prompt of one's own: one prompt for each pair, which its response answers."""
        campaign = access.labeling_campaign(request.user, pk)
        given = sent(NewFewShotShape, request)
        pairs = [prompts.Pair(**pair) for pair in given.pop("pairs")]
        added = prompts.write_few_shot(campaign, request.user, pairs=pairs, **given)
        return Response(AddedPromptsShape({"prompts": added}).data, status.HTTP_201_CREATED)


class CustomerPrompts(Endpoint):
    write_scope = Scope.PROMPTS

    @extend_schema(request=NewCustomerPromptsShape, responses={201: AddedPromptsShape})
    @once
    def post(self, request: ApiRequest, pk: int) -> Response:
        """Add prompts of a product's customers: all of them or none. Researchers and admins.

        Each says which notice of use its customer was shown, and when; without one it is refused.
        """
        access.only_researchers(request.user)
        campaign = access.campaign(request.user, pk)
        given = [_customers(one) for one in sent(NewCustomerPromptsShape, request)["prompts"]]
        added = customer_prompts.add_customer_prompts(campaign, request.user, given)
        return Response(AddedPromptsShape({"prompts": added}).data, status.HTTP_201_CREATED)


class OnePrompt(Endpoint):
    @extend_schema(responses=PromptShape)
    def get(self, request: ApiRequest, pk: int) -> Response:
        """Read a prompt: any for researchers, else one's own."""
        return Response(PromptShape(access.prompt(request.user, pk)).data)


class RetrySampling(Endpoint):
    write_scope = Scope.PROMPTS

    @extend_schema(request=None, responses=PromptShape)
    @once
    def post(self, request: ApiRequest, pk: int) -> Response:
        """Queue a prompt whose sampling failed once more: any for researchers, else one's own."""
        sampling.retry(access.prompt(request.user, pk), request.user)
        return Response(PromptShape(access.prompt(request.user, pk)).data)


class RetryFailed(Endpoint):
    write_scope = Scope.PROMPTS

    @extend_schema(request=None, responses=QueuedShape)
    @once
    def post(self, request: ApiRequest, pk: int) -> Response:
        """Queue all prompts of a campaign whose sampling failed once more. Researchers and admins."""
        access.only_researchers(request.user)
        count = sampling.retry_failed(access.campaign(request.user, pk), request.user)
        return Response(QueuedShape({"prompts": count}).data)


class PromptNotice(Endpoint):
    @extend_schema(responses=NoticeShape)
    def get(self, request: ApiRequest, pk: int) -> Response:
        """Read the notice of use that a customer's prompt came under. Researchers and admins."""
        access.only_researchers(request.user)
        return Response(NoticeShape(access.notice(request.user, pk)).data)


class PromptCompletions(Endpoint):
    @extend_schema(responses=CompletionShape(many=True))
    def get(self, request: ApiRequest, pk: int) -> Response:
        """List what was answered to a prompt that one may see, without saying by which policy."""
        rows = access.completions(request.user).filter(prompt=access.prompt(request.user, pk))
        return self.listed(rows, CompletionShape)


class CampaignCompletions(Endpoint):
    @extend_schema(responses=SampledCompletionShape(many=True))
    def get(self, request: ApiRequest, pk: int) -> Response:
        """List a campaign's completions with the policies that wrote them. Researchers and admins."""
        access.only_researchers(request.user)
        rows = access.completions(request.user).filter(prompt__campaign=access.campaign(request.user, pk))
        return self.listed(rows.select_related("policy"), SampledCompletionShape)


def _plain(given: dict[str, Any]) -> prompts.NewPrompt:
    kind = Kind.USE_CASE if given["use_case"].strip() else Kind.PLAIN
    return prompts.NewPrompt(kind=kind, **given)


def _customers(given: dict[str, Any]) -> CustomerPrompt:
    notice = given["notice"]
    about = {name: given[name] for name in ("id", "messages", "customer", "category", "language")}
    return CustomerPrompt(notice_version=notice["version"], notice_shown_at=notice["shown_at"], **about)
