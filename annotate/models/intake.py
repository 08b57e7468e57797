"""Intake decisions: what a campaign's rules said of a prompt as it came in, and who said otherwise since."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from annotate.models.campaigns import Campaign
from annotate.models.prompts import Prompt, Sampling
from annotate.personal_data import KINDS


class Rule(models.TextChoices):
    """The first three set a prompt aside, the last one masks words in it."""

    TOO_LONG = "too_long", _("Too long")
    DUPLICATE = "duplicate", _("Begins like an earlier prompt")
    AUTHOR_LIMIT = "author_limit", _("Its author's share is full")
    PERSONAL_DATA = "personal_data", _("Personal data masked")


class IntakeDecision(models.Model):
    """One rule's say on one prompt. While it is not reversed, the prompt is as the rule wants it."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="intake_decisions")
    prompt = models.ForeignKey(Prompt, on_delete=models.CASCADE, related_name="intake_decisions")
    rule = models.CharField(max_length=20, choices=Rule.choices)
    # What the rule compared: {"characters", "limit"}, {"limit"}, or what was found: {"email": 2}
    detail = models.JSONField(default=dict)
    duplicate_of = models.ForeignKey(Prompt, null=True, on_delete=models.SET_NULL, related_name="+")
    # What a reversal brings back: how far the sampling was, or the words as they came.
    sampling = models.CharField(max_length=10, choices=Sampling.choices, blank=True, default="")
    messages = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    reversed_at = models.DateTimeField(null=True)
    reversed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["prompt", "rule"], name="intake_decision_once"),
            models.CheckConstraint(condition=Q(rule__in=Rule.values), name="intake_decision_rule_known"),
        ]
        indexes = [
            models.Index(fields=["campaign", "rule", "-id"], name="intake_decision_by_rule"),
            models.Index(fields=["campaign", "-id"], name="intake_decision_of_campaign"),
        ]

    def __str__(self) -> str:
        return f"{self.prompt_id}: {self.rule}"

    @property
    def masks(self) -> bool:
        return self.rule == Rule.PERSONAL_DATA

    @property
    def in_words(self) -> str:
        """Return what the rule saw, in the reader's language."""
        if self.rule == Rule.TOO_LONG:
            return str(_("%(characters)d characters; the campaign takes %(limit)d.") % self.detail)
        if self.rule == Rule.AUTHOR_LIMIT:
            words = ngettext(
                "Its author has %(limit)d prompt here already.",
                "Its author has %(limit)d prompts here already.",
                self.detail["limit"],
            )
            return str(words % self.detail)
        if self.rule == Rule.DUPLICATE:
            return str(_("It begins like prompt %(number)s.") % {"number": self.duplicate_of_id or "–"})
        return ", ".join(f"{KINDS[kind]}: {count}" for kind, count in sorted(self.detail.items()))
