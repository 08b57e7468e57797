"""Webhooks: whom a campaign tells of what happens, and how each telling went."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from annotate.models.campaigns import Campaign


class Event(models.TextChoices):
    """What a webhook can be told."""

    RUN_FINISHED = "run.finished", _("A run has succeeded")
    RUN_FAILED = "run.failed", _("A run has failed")
    SNAPSHOT_TAKEN = "snapshot.taken", _("A snapshot is taken")
    CHECKPOINT_PROMOTED = "checkpoint.promoted", _("A policy is promoted")
    GOAL_REACHED = "campaign.goal_reached", _("All rankings that are wanted are submitted")


MOST_FAILED = 5
"""How many deliveries in a row may be given up, each after a day of tries, before a webhook is paused."""


class Webhook(models.Model):
    """An address outside that is told of a campaign's events. Its secret is derived, and stored nowhere."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="webhooks")
    url = models.CharField(_("address"), max_length=500)
    events = ArrayField(models.CharField(max_length=30))
    # The secret follows from this and SECRET_KEY: a copy of the database alone signs nothing.
    salt = models.CharField(max_length=43)
    # Paused it is sent nothing; what happens meanwhile is told once it is resumed.
    is_active = models.BooleanField(_("active"), default=True)
    # Since something was delivered, or the webhook was resumed.
    failed_in_a_row = models.PositiveSmallIntegerField(default=0, editable=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(events__contained_by=Event.values), name="webhook_events_known"
            ),
        ]

    def __str__(self) -> str:
        return self.url

    @property
    def event_labels(self) -> list[str]:
        return [str(Event(event).label) for event in self.events]

    @property
    def has_paused_itself(self) -> bool:
        return not self.is_active and self.failed_in_a_row >= MOST_FAILED


class DeliveryState(models.TextChoices):
    """WAITING is to be sent, now or after a pause; the other two are ends."""

    WAITING = "waiting", _("Waiting")
    DELIVERED = "delivered", _("Delivered")
    FAILED = "failed", _("Given up")


class Delivery(models.Model):
    """One event for one webhook: what is sent, and how often it was tried."""

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    event = models.CharField(max_length=30, choices=Event.choices)
    # Of which row it tells, and of which moment of it: the same event is told once.
    noun_id = models.BigIntegerField()
    happened_at = models.DateTimeField()
    payload = models.JSONField()
    state = models.CharField(max_length=10, choices=DeliveryState.choices, default=DeliveryState.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(null=True, blank=True)
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)
    delivered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["webhook", "event", "noun_id", "happened_at"], name="delivery_of_event_once"
            ),
            models.CheckConstraint(
                condition=Q(state="waiting", due_at__isnull=False) | ~Q(state="waiting"),
                name="delivery_waiting_is_due",
            ),
        ]
        indexes = [models.Index(fields=["due_at"], condition=Q(state="waiting"), name="delivery_waiting")]

    def __str__(self) -> str:
        return f"{self.event} {self.noun_id}"
