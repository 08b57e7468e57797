"""Checkpoints: saved policies and reward models, what each grew from, and which one a campaign samples."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from annotate.models.campaigns import Campaign


class CheckpointKind(models.TextChoices):
    POLICY = "policy", _("Policy")
    REWARD_MODEL = "reward_model", _("Reward model")


class Checkpoint(models.Model):
    """A saved policy or reward model. One without a folder is known by name only, from an imported file."""

    kind = models.CharField(max_length=20, choices=CheckpointKind.choices)
    name = models.CharField(max_length=200)
    # None for what belongs to no campaign: the base policy, and policies named in imported files.
    campaign = models.ForeignKey(
        Campaign, null=True, blank=True, on_delete=models.CASCADE, related_name="checkpoints"
    )
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="children"
    )
    stage = models.CharField(max_length=20, default="base")
    # A folder on the workers' disk, or a model's name on a hub; the website never opens it.
    location = models.CharField(max_length=500, blank=True, default="")
    summary = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=CheckpointKind.values), name="checkpoint_kind_known"),
            models.UniqueConstraint(
                fields=["kind", "name"], condition=Q(campaign=None), name="checkpoint_shared_name_once"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def lineage(self) -> list["Checkpoint"]:
        """Return what this checkpoint grew from, the nearest first; one query an ancestor."""
        ancestors, current = [], self.parent
        while current is not None:
            ancestors.append(current)
            current = current.parent
        return ancestors


class Promotion(models.Model):
    """A policy becoming a campaign's current one. The newest row is the current policy; none is changed."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="promotions")
    policy = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, related_name="promotions")
    reason = models.CharField(max_length=300)
    promoted_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.campaign}: {self.policy}"


class PolicyShare(models.Model):
    """A policy that answers a campaign's prompts besides the current one, which gets what these leave."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="policy_shares")
    policy = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, related_name="shares")
    percent = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["campaign", "policy"], name="policy_share_once"),
            models.CheckConstraint(
                condition=Q(percent__gte=1, percent__lte=100), name="policy_share_1_to_100"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.campaign}: {self.policy} {self.percent} %"


def sampled_policies(campaign: Campaign) -> list[tuple[Checkpoint, int]]:
    """Return what answers the campaign's next prompts, with percents; nothing without a current policy."""
    current = current_policy(campaign)
    if current is None:
        return []
    others = [(row.policy, row.percent) for row in campaign.policy_shares.select_related("policy")]
    rest = 100 - sum(percent for _policy, percent in others)
    return [(policy, percent) for policy, percent in [(current, rest), *others] if percent > 0]


def current_policy(campaign: Campaign) -> Checkpoint | None:
    """Return the policy that answers the campaign's next prompts, None before the first promotion."""
    newest = Promotion.objects.filter(campaign=campaign).select_related("policy").first()
    return newest.policy if newest else None
