"""The one Django app."""

from django.apps import AppConfig


class AnnotateConfig(AppConfig):
    name = "annotate"
    verbose_name = "Podium"
    default_auto_field = "django.db.models.BigAutoField"
