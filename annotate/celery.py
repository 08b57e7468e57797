"""The Celery app: queues web (light periodic work), sample and train (the GPUs)."""

import os

from celery import Celery
from django.conf import settings

from annotate import embedded

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotate.settings")
if not settings.configured:
    # Under celery's own command line; manage.py starts them before it reads the settings.
    embedded.start()

app = Celery("podium")
app.config_from_object("django.conf:settings", namespace="CELERY")
