"""Notices: what a product told a customer before it gave us the customer's prompt."""

from django.conf import settings
from django.db import models

from annotate.models.prompts import Prompt


class Notice(models.Model):
    """The notice of use under which a customer wrote a prompt (paper, section 3.2). Never changed."""

    prompt = models.OneToOneField(Prompt, on_delete=models.CASCADE, related_name="notice")
    # Which text was shown, by the product's own name for it.
    version = models.CharField(max_length=100)
    shown_at = models.DateTimeField()
    recorded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    recorded_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.version}, {self.shown_at}"
