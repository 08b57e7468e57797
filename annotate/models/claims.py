"""Claims: the life that a ranking and a demonstration share, from being handed out to being submitted."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from annotate.models.campaigns import Instructions
from annotate.models.prompts import Prompt, PromptFlag


class ClaimState(models.TextChoices):
    """A claim begins CLAIMED. SUBMITTED and SKIPPED are answers; EXPIRED keeps its draft."""

    CLAIMED = "claimed", _("In progress")
    SUBMITTED = "submitted", _("Submitted")
    SKIPPED = "skipped", _("Skipped")
    EXPIRED = "expired", _("Expired")


class SkipKind(models.TextChoices):
    """Why a labeler lets a prompt go (paper, section 3.3 and footnote 9)."""

    UNCLEAR = "unclear", _("It is not clear what is wanted")
    EXPERTISE = "expertise", _("I lack the expertise")
    LANGUAGE = "language", _("I do not read its language well enough")
    SENSITIVE = "sensitive", _("I would rather not work on this content")
    BROKEN = "broken", _("The prompt or its outputs are broken")
    OTHER = "other", _("Another reason")


SLOT_WHILE_HELD = (
    Q(is_review=False, state__in=["claimed", "submitted"], slot__isnull=False)
    | Q(state__in=["skipped", "expired"], slot__isnull=True)
    | Q(is_review=True, slot__isnull=True)
)


class Claim(models.Model):
    """One labeler's unfinished or finished work on one prompt.

    `slot` makes over-assignment impossible: a claimed or submitted row holds one of the prompt's
    labelers_per_prompt slots, and the database allows each slot once. Skipped and expired rows hold none, nor
    do reviews.
    """

    prompt = models.ForeignKey(Prompt, on_delete=models.CASCADE, related_name="%(class)ss")
    labeler = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="%(class)ss"
    )
    instructions = models.ForeignKey(Instructions, null=True, blank=True, on_delete=models.PROTECT)
    # The id it had in its file, so that the same file twice adds nothing.
    source_id = models.CharField(max_length=200, blank=True, default="")
    state = models.CharField(max_length=10, choices=ClaimState.choices, default=ClaimState.CLAIMED)
    slot = models.PositiveSmallIntegerField(null=True, blank=True)
    # A second look at what others answered; it covers nobody's share of the prompt.
    is_review = models.BooleanField(default=False, db_default=False)
    lease_until = models.DateTimeField(null=True, blank=True)
    skip_kind = models.CharField(max_length=10, choices=SkipKind.choices, blank=True, default="")
    skip_reason = models.CharField(max_length=300, blank=True, default="")
    # What the labeler says of the prompt itself.
    prompt_flags = ArrayField(models.CharField(max_length=30), default=list, blank=True)
    seconds = models.FloatField(null=True, blank=True)
    # When the latest draft arrived; None for a claim that is only handed out.
    drafted_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    submitted_at = models.DateTimeField(null=True, blank=True)
    # Set by the first snapshot that reads it; from then on the answer cannot be changed. Pages are filled by
    # half for its sake (migration room_to_freeze): among a million, freezing takes a quarter of the time.
    frozen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["prompt", "slot"], name="%(class)s_slot_once"),
            models.CheckConstraint(condition=Q(state__in=ClaimState.values), name="%(class)s_state_known"),
            models.UniqueConstraint(
                fields=["prompt"],
                condition=Q(is_review=True, state__in=["claimed", "submitted"]),
                name="%(class)s_reviewed_once",
            ),
            models.CheckConstraint(
                condition=Q(state="claimed", lease_until__isnull=False) | ~Q(state="claimed"),
                name="%(class)s_claim_has_lease",
            ),
            models.CheckConstraint(
                condition=Q(state="submitted", submitted_at__isnull=False) | ~Q(state="submitted"),
                name="%(class)s_submitted_has_time",
            ),
            models.CheckConstraint(
                condition=Q(prompt_flags__contained_by=PromptFlag.values), name="%(class)s_flags_known"
            ),
            models.CheckConstraint(
                condition=Q(skip_kind__in=["", *SkipKind.values]), name="%(class)s_skip_kind_known"
            ),
        ]
        indexes = [
            models.Index(fields=["lease_until"], condition=Q(state="claimed"), name="%(class)s_leases"),
            # What a labeler has begun, what they did today, what they answered last.
            models.Index(fields=["labeler", "state", "submitted_at"], name="%(class)s_of_labeler"),
        ]

    @property
    def takes_slot(self) -> bool:
        """Return whether it counts toward the answers that its prompt gets."""
        return not self.is_review
