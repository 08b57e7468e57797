"""What ranking and demonstrating share: why a prompt is skipped, under which instructions it is answered."""

from typing import Any

from rest_framework import serializers

from annotate.api.campaigns import InstructionsShape
from annotate.api.shapes import MessageShape
from annotate.models import ClaimState, PromptFlag, SkipKind


class ClaimShape(serializers.Serializer[Any]):
    """A prompt in its labeler's hands, with what is answered so far."""

    id = serializers.IntegerField()
    campaign = serializers.IntegerField(source="prompt.campaign_id")
    messages = MessageShape(many=True, source="prompt.messages")
    instructions = InstructionsShape(allow_null=True)
    state = serializers.ChoiceField(choices=ClaimState.choices)
    lease_until = serializers.DateTimeField(
        allow_null=True, help_text="Until when nobody else gets the slot; each draft renews it."
    )
    prompt_flags = serializers.ListField(child=serializers.ChoiceField(choices=PromptFlag.choices))
    seconds = serializers.FloatField(allow_null=True)
    submitted_at = serializers.DateTimeField(allow_null=True)


class SkipShape(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=SkipKind.choices)
    reason = serializers.CharField(max_length=300, required=False, default="", allow_blank=True)


class SecondsShape(serializers.Serializer[Any]):
    seconds = serializers.FloatField(
        min_value=0,
        max_value=10_000_000,
        required=False,
        default=None,
        allow_null=True,
        help_text="The time worked on it; else it is counted from the claim.",
    )


class AnswerShape(SecondsShape):
    """What every answer may say beside its own words."""

    prompt_flags = serializers.ListField(
        child=serializers.ChoiceField(choices=PromptFlag.choices), required=False, default=list
    )
