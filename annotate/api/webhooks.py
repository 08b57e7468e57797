"""Webhooks: setting one up, changing, pausing and removing it, and its deliveries."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.response import Response

from annotate import access
from annotate.actions import deliveries, webhooks
from annotate.api.auth import ApiRequest
from annotate.api.endpoints import NOTHING, Endpoint, Pages, once, sent
from annotate.api.shapes import username
from annotate.models import Delivery, Event, Scope, Webhook


class WebhookShape(serializers.ModelSerializer[Webhook]):
    events = serializers.ListField(child=serializers.ChoiceField(choices=Event.choices))
    created_by = username()

    class Meta:
        model = Webhook
        fields = (
            "id",
            "campaign",
            "url",
            "events",
            "is_active",
            "failed_in_a_row",
            "created_by",
            "created_at",
        )


class MadeWebhookShape(WebhookShape):
    secret = serializers.CharField(
        allow_null=True,
        help_text="Signs what it is told (Standard Webhooks). Shown this once: null in a replayed answer.",
    )

    class Meta:
        model = Webhook
        fields = (*WebhookShape.Meta.fields, "secret")


class NewWebhookShape(serializers.Serializer[Any]):
    url = serializers.CharField(max_length=500, help_text="https:// on the public internet.")
    events = serializers.ListField(child=serializers.ChoiceField(choices=Event.choices), min_length=1)


class ChangedWebhookShape(serializers.Serializer[Any]):
    url = serializers.CharField(
        max_length=500, required=False, help_text="https:// on the public internet; the secret stays."
    )
    events = serializers.ListField(
        child=serializers.ChoiceField(choices=Event.choices), min_length=1, required=False
    )
    is_active = serializers.BooleanField(
        required=False, help_text="False pauses it; what happens meanwhile is told once it is true again."
    )


class DeliveryShape(serializers.ModelSerializer[Delivery]):
    payload = serializers.DictField()

    class Meta:
        model = Delivery
        fields = (
            "id",
            "webhook",
            "event",
            "noun_id",
            "happened_at",
            "payload",
            "state",
            "attempts",
            "due_at",
            "status",
            "error",
            "created_at",
            "delivered_at",
        )


class NewestFirst(Pages):
    ordering = "-pk"


class CampaignWebhooks(Endpoint):
    write_scope = Scope.CAMPAIGNS
    told_once = ("secret",)

    @extend_schema(responses=WebhookShape(many=True))
    def get(self, request: ApiRequest, pk: int) -> Response:
        """List whom a campaign tells of what happens. Admins."""
        access.only_admins(request.user)
        rows = access.webhooks(request.user).filter(campaign=access.campaign(request.user, pk))
        return self.listed(rows, WebhookShape)

    @extend_schema(request=NewWebhookShape, responses={201: MadeWebhookShape})
    @once
    def post(self, request: ApiRequest, pk: int) -> Response:
        """Tell a public https address of these events. Admins."""
        access.only_admins(request.user)
        campaign = access.campaign(request.user, pk)
        made, secret = webhooks.add_webhook(campaign, request.user, **sent(NewWebhookShape, request))
        told = WebhookShape(made).data | {"secret": secret}
        return Response(told, status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})


class OneWebhook(Endpoint):
    write_scope = Scope.CAMPAIGNS

    @extend_schema(responses=WebhookShape)
    def get(self, request: ApiRequest, pk: int) -> Response:
        """Read a webhook, its secret aside. Admins."""
        return Response(WebhookShape(access.webhook(request.user, pk)).data)

    @extend_schema(request=ChangedWebhookShape, responses=WebhookShape)
    def patch(self, request: ApiRequest, pk: int) -> Response:
        """Change where a webhook goes or what it is told; pause it, or resume it. Admins."""
        webhook = access.webhook(request.user, pk)
        webhooks.change_webhook(webhook, request.user, **sent(ChangedWebhookShape, request))
        return Response(WebhookShape(access.webhook(request.user, pk)).data)

    @extend_schema(request=None, responses=NOTHING)
    def delete(self, request: ApiRequest, pk: int) -> Response:
        """Remove a webhook and its log of deliveries. Admins."""
        webhooks.remove_webhook(access.webhook(request.user, pk), request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)


class WebhookDeliveries(Endpoint):
    pagination_class = NewestFirst

    @extend_schema(responses=DeliveryShape(many=True))
    def get(self, request: ApiRequest, pk: int) -> Response:
        """List what a webhook was told, the newest first, and how each telling went. Admins."""
        return self.listed(access.webhook(request.user, pk).deliveries.all(), DeliveryShape)


class Redeliver(Endpoint):
    write_scope = Scope.CAMPAIGNS

    @extend_schema(request=None, responses=DeliveryShape)
    @once
    def post(self, request: ApiRequest, pk: int) -> Response:
        """Send a delivery once more, with the same id, whatever came of it before. Admins."""
        deliveries.redeliver(access.delivery(request.user, pk), request.user)
        return Response(DeliveryShape(access.delivery(request.user, pk)).data)
