"""Tokens: how programs sign in to the API, and the answers that they can be given once more."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Scope(models.TextChoices):
    """What a token may be used for, of what its owner may do."""

    READ = "read", _("Read what its owner may see")
    PROMPTS = "prompts", _("Add prompts, also those of a product's customers")
    LABEL = "label", _("Rank and demonstrate")
    CAMPAIGNS = "campaigns", _("Make and change campaigns")
    RUNS = "runs", _("Start and cancel runs, take snapshots, promote policies")
    DATA = "data", _("Download exports and snapshots")
    PEOPLE = "people", _("Add and change people, revoke tokens")


class ApiToken(models.Model):
    """A token of one person's. Only its hash is stored: 256 random bits need no salt."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(_("name"), max_length=100)
    sha256 = models.CharField(max_length=64, unique=True)
    # The first characters, by which people tell tokens apart.
    begins = models.CharField(max_length=16)
    scopes = ArrayField(models.CharField(max_length=20))
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    # How many requests came in which minute: counted here, so that every process counts alike.
    minute = models.DateTimeField(null=True, blank=True)
    requests = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(scopes__contained_by=Scope.values), name="token_scopes_known"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def scope_labels(self) -> list[str]:
        return [str(Scope(scope).label) for scope in self.scopes]


class KeptAnswer(models.Model):
    """What a write with an Idempotency-Key was answered, for whoever sends it again."""

    token = models.ForeignKey(ApiToken, on_delete=models.CASCADE, related_name="kept_answers")
    key = models.CharField(max_length=200)
    # SHA-256 of the method, the address and the body: the same key with another one is a mistake.
    request = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(default=0)
    body = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["token", "key"], name="kept_answer_key_once")]

    def __str__(self) -> str:
        return self.key
