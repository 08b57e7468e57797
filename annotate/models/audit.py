"""Audit: who did what to which row, when."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

# What the pages say for the words that are kept in the rows.
WORDS = {
    "accepted": _("accepted after screening"),
    "began retraining": _("began retraining"),
    "cancelled": _("cancelled"),
    "changed": _("changed"),
    "changed members": _("changed the members of"),
    "changed password": _("changed the password of"),
    "changed reviewers": _("changed the reviewers of"),
    "changed role": _("changed the role of"),
    "changed work": _("changed the work of"),
    "created": _("created"),
    "deactivated": _("deactivated"),
    "declined": _("declined after screening"),
    "downloaded": _("downloaded"),
    "exported": _("exported"),
    "held out labelers": _("held labelers out of"),
    "imported": _("imported into"),
    "invited": _("invited"),
    "made": _("made"),
    "marked gold": _("marked a ranking as gold for"),
    "promoted": _("promoted"),
    "reactivated": _("reactivated"),
    "redelivered": _("sent again"),
    "removed": _("removed"),
    "reset password": _("reset the password of"),
    "reversed": _("reversed"),
    "retried": _("retried"),
    "retried sampling": _("retried sampling of"),
    "revoked": _("revoked"),
    "shared sampling": _("chose which policies are sampled in"),
    "started": _("started"),
    "took": _("took"),
    "unmarked gold": _("took back as gold"),
    "upheld": _("upheld"),
    "wrote instructions": _("wrote instructions for"),
    "apitoken": _("API token"),
    "campaign": _("campaign"),
    "checkpoint": _("checkpoint"),
    "delivery": _("delivery"),
    "intakedecision": _("decision of intake"),
    "prompt": _("prompt"),
    "retraining": _("round of retraining"),
    "run": _("run"),
    "snapshot": _("snapshot"),
    "transfer": _("transfer"),
    "user": _("person"),
    "webhook": _("webhook"),
}


class AuditEntry(models.Model):
    """One thing that someone did. Rows are added and never changed."""

    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    verb = models.CharField(max_length=50)
    noun = models.CharField(max_length=50)
    noun_id = models.BigIntegerField(null=True)
    detail = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["noun", "noun_id"], name="audit_of_row")]

    def __str__(self) -> str:
        return f"{self.actor} {self.verb} {self.noun} {self.noun_id}"

    @property
    def in_words(self) -> str:
        """Return what was done to what, in the reader's language."""
        told = {"verb": WORDS.get(self.verb, self.verb), "noun": WORDS.get(self.noun, self.noun)}
        return str(_("%(verb)s %(noun)s %(id)s") % (told | {"id": self.noun_id}))
