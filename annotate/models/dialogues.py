"""Dialogues: conversations that a labeler wrote, on both sides or with the policy."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import OuterRef, Q, Subquery
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from annotate.models.campaigns import Campaign, Instructions
from annotate.models.demonstrations import Demonstration
from annotate.models.prompts import Prompt
from annotate.models.suggestions import Suggestion


class DialogueMode(models.TextChoices):
    BOTH_SIDES = "both_sides", _("I write both sides")
    CHAT = "chat", _("I chat with the policy")


class DialogueState(models.TextChoices):
    OPEN = "open", pgettext_lazy("a dialogue", "Open")
    FINISHED = "finished", _("Finished")
    DROPPED = "dropped", _("Dropped")


class DialogueQuerySet(models.QuerySet["Dialogue"]):
    def with_beginning(self) -> Self:
        """Add what each begins with: its first message, None before anything is said."""
        first = DialogueTurn.objects.filter(dialogue=OuterRef("pk"), place=0).values("text")
        return self.annotate(begins=Subquery(first))


class Dialogue(models.Model):
    """A conversation in the making. Finished, it has become demonstrations, or a prompt to be ranked."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="dialogues")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="dialogues")
    mode = models.CharField(max_length=10, choices=DialogueMode.choices)
    instructions = models.ForeignKey(Instructions, null=True, blank=True, on_delete=models.PROTECT)
    state = models.CharField(max_length=10, choices=DialogueState.choices, default=DialogueState.OPEN)
    # The unfinished next message.
    draft = models.TextField(blank=True, default="")
    # What the draft began from, if it did.
    draft_suggestion = models.ForeignKey(
        Suggestion, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    # A chat's prompt: all that came before the policy's message that was picked at random.
    prompt = models.OneToOneField(Prompt, null=True, blank=True, on_delete=models.PROTECT)
    picked_place = models.PositiveSmallIntegerField(null=True, blank=True)
    seconds = models.FloatField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = DialogueQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=Q(mode__in=DialogueMode.values), name="dialogue_mode_known"),
            models.CheckConstraint(condition=Q(state__in=DialogueState.values), name="dialogue_state_known"),
        ]

    def __str__(self) -> str:
        return f"{self.author} in {self.campaign}"


class DialogueTurn(models.Model):
    """One message of a dialogue, and the suggestion that it began from, if any.

    The policy's own message in a chat has no text here: it says what its suggestion does.
    """

    dialogue = models.ForeignKey(Dialogue, on_delete=models.CASCADE, related_name="turns")
    place = models.PositiveSmallIntegerField()
    role = models.CharField(max_length=10, choices=[("user", _("User")), ("assistant", _("Assistant"))])
    text = models.TextField(blank=True, default="")
    suggestion = models.OneToOneField(Suggestion, null=True, blank=True, on_delete=models.PROTECT)
    # What an assistant turn of both sides became once the dialogue was finished.
    demonstration = models.OneToOneField(Demonstration, null=True, blank=True, on_delete=models.PROTECT)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["dialogue", "place"]
        constraints = [
            models.UniqueConstraint(fields=["dialogue", "place"], name="dialogue_turn_place_once"),
            models.CheckConstraint(
                condition=Q(role__in=["user", "assistant"]), name="dialogue_turn_role_known"
            ),
        ]

    def __str__(self) -> str:
        return self.said[:80]

    @property
    def said(self) -> str:
        """Return the message: what a person made of it, else what the policy wrote."""
        return self.text or (self.suggestion.text if self.suggestion else "")
