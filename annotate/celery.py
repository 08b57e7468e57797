"""The Celery app: queues web (light periodic work), sample and train (the GPUs)."""

import os

from celery import Celery

from annotate import embedded

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotate.settings")
embedded.start()

app = Celery("podium")
app.config_from_object("django.conf:settings", namespace="CELERY")
