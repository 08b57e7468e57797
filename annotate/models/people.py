"""People: who signs in, and who wrote or judged what came in from a file."""

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    LABELER = "labeler", _("Labeler")
    RESEARCHER = "researcher", _("Researcher")
    ADMIN = "admin", _("Admin")


class Split(models.TextChoices):
    """Which side of the held-out line a prompt stands on."""

    TRAIN = "train", _("Training")
    VALID = "valid", _("Validation")
    TEST = "test", _("Test")


class User(AbstractUser):
    """A person. One known only from an imported file is inactive and cannot sign in."""

    role = models.CharField(_("role"), max_length=20, choices=Role.choices, default=Role.LABELER)
    # The split belongs to the author: all prompts of one person stand on one side (paper, section 3.2).
    split = models.CharField(_("split"), max_length=5, choices=Split.choices, blank=True, default="")
    # The codes of the languages they read, as prompts have them; none means any.
    languages = ArrayField(models.CharField(max_length=20), default=list, blank=True)
    # Names that admins give, which campaigns and categories of prompts may ask for.
    qualifications = ArrayField(models.CharField(max_length=50), default=list, blank=True)
    theme = models.CharField(
        _("theme"),
        max_length=5,
        choices=[("auto", _("As the device")), ("light", _("Light")), ("dark", _("Dark"))],
        default="auto",
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="user_role_known"),
            models.CheckConstraint(
                condition=models.Q(split__in=["", *Split.values]), name="user_split_known"
            ),
        ]

    def __str__(self) -> str:
        return self.username

    @property
    def is_admin(self) -> bool:
        return self.role == Role.ADMIN

    @property
    def is_researcher(self) -> bool:
        """True for whoever may start runs: researchers, and admins as well."""
        return self.role in (Role.RESEARCHER, Role.ADMIN)
