"""The demonstration people: made once, and not undone by the next start."""

from pathlib import Path

import pytest
from pytest_django import Settings

from annotate.actions import demo
from annotate.models import User


@pytest.fixture(autouse=True)
def data_dir(db: None, settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path


def test_a_generated_password_is_told_again_at_the_next_start() -> None:
    password = demo.seed(None)
    assert demo.seed(None) == password
    assert User.objects.get(username="admin").check_password(password)


def test_a_password_that_someone_chose_survives_a_restart() -> None:
    demo.seed(None)
    admin = User.objects.get(username="admin")
    admin.set_password("chosen by the admin")
    admin.save()
    demo.seed(None)
    admin.refresh_from_db()
    assert admin.check_password("chosen by the admin")
    demo.seed("asked for at the start")
    admin.refresh_from_db()
    assert admin.check_password("asked for at the start")
