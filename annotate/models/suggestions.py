"""Suggestions: what a policy would write next in a conversation, asked for by one person."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from annotate.models.campaigns import Campaign
from annotate.models.checkpoints import Checkpoint
from annotate.models.prompts import Prompt


class SuggestionState(models.TextChoices):
    """How far a suggestion is. DONE and FAILED are ends."""

    QUEUED = "queued", _("Waiting for the sampler")
    RUNNING = "running", _("Being written")
    DONE = "done", _("Written")
    FAILED = "failed", _("Failed")


class Suggestion(models.Model):
    """One text of the campaign's policy, for whoever asked. Unlike a completion it is never ranked."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="suggestions")
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    # The prompt that a demonstration is being written for; a dialogue has its messages only.
    prompt = models.ForeignKey(
        Prompt, null=True, blank=True, on_delete=models.CASCADE, related_name="suggestions"
    )
    # What it continues: it writes what comes after the last message, for either side.
    messages = models.JSONField()
    role = models.CharField(
        max_length=10, choices=[("assistant", _("Assistant")), ("user", _("User"))], default="assistant"
    )
    policy = models.ForeignKey(Checkpoint, null=True, blank=True, on_delete=models.PROTECT)
    text = models.TextField(blank=True, default="")
    token_count = models.PositiveIntegerField(null=True, blank=True)
    finish_reason = models.CharField(max_length=20, blank=True, default="")
    engine = models.CharField(max_length=100, blank=True, default="")
    state = models.CharField(max_length=10, choices=SuggestionState.choices, default=SuggestionState.QUEUED)
    reason = models.TextField(blank=True, default="")
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=SuggestionState.values), name="suggestion_state_known"
            ),
        ]
        indexes = [
            models.Index(fields=["campaign", "id"], condition=Q(state="queued"), name="suggestion_queued"),
        ]

    def __str__(self) -> str:
        return self.text[:80]
