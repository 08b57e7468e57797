"""The bell: rung on commit, and no request fails because the broker is away."""

import subprocess
import sys

import pytest
from django.db import transaction

from annotate import jobs
from annotate.celery import app
from tests.workers import environment


@pytest.mark.django_db(transaction=True)
def test_nothing_is_rung_before_the_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    rung: list[str] = []
    monkeypatch.setattr(app, "send_task", lambda task, **told: rung.append(task))
    with transaction.atomic():
        jobs.ring_trainer(1)
        assert rung == []
    assert rung == [jobs.TRAIN]


def test_a_dead_broker_is_logged_and_fails_nothing() -> None:
    program = "import django; django.setup(); from annotate import jobs; jobs.ring_trainer(1)"
    with environment(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("BROKER_URL", "redis://127.0.0.1:1/0")
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0
    assert "beat will ring again" in done.stderr
