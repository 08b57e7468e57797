"""Figures of big campaigns: worked out beforehand, shown with their age, the same as read now."""

import io
from datetime import timedelta
from unittest.mock import patch

import pytest
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from annotate import kept, tasks
from annotate.actions import kept_figures
from annotate.actions.imports import import_file
from annotate.celery import app
from annotate.jobs import KEEP_FIGURES
from annotate.models import Campaign, KeptFigures, User
from tests.annotate.api import Program
from tests.people import client_of
from tests.rows import make_prompt

pytestmark = pytest.mark.django_db
PAGES = ("", "/agreement", "/tables", "/data", "/review", "/intake")


@pytest.fixture
def big(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> Campaign:
    """A campaign of two prompts, where one would be small."""
    monkeypatch.setattr(kept, "LIVE_PROMPTS", 1)
    make_prompt(campaign)
    make_prompt(campaign, "Name a sea.")
    return campaign


@pytest.mark.parametrize("name", kept.SUBJECTS)
def test_figures_come_back_as_what_they_were(campaign: Campaign, name: str) -> None:
    make_prompt(campaign, category="chat")
    figures = kept.SUBJECTS[name].work_out(campaign)
    assert kept.read(kept.written(figures), kept.SUBJECTS[name]) == figures


@pytest.mark.parametrize("page", PAGES)
def test_a_big_campaigns_pages_wait_for_a_worker(big: Campaign, rosa: User, page: str) -> None:
    address = f"/campaigns/{big.pk}{page}"
    before = client_of(rosa).get(address)
    assert (before.status_code, "for the first time" in before.text) == (200, True)
    tasks.keep_figures()
    after = client_of(rosa).get(address).text
    assert "as of" in after and "for the first time" not in after


def test_the_list_shows_what_is_kept(big: Campaign, rosa: User) -> None:
    assert '<td class="number">–</td>' in client_of(rosa).get("/campaigns").text
    tasks.keep_figures()
    make_prompt(big, "Name a hill.")
    assert '<td class="number">2</td>' in client_of(rosa).get("/campaigns").text


def test_figures_are_worked_out_as_often_as_it_is_worth_while(big: Campaign) -> None:
    assert kept_figures.work_out_due() == len(kept.SUBJECTS)
    assert kept_figures.work_out_due() == 0
    an_hour_ago = timezone.now() - timedelta(hours=1)
    KeptFigures.objects.filter(subject="tables").update(as_of=an_hour_ago)
    KeptFigures.objects.filter(subject="agreement").update(as_of=an_hour_ago, seconds=600)
    assert kept_figures.work_out_due() == 1


@pytest.mark.parametrize("figures", [None, [], {"prompts": "many"}])
def test_what_another_release_wrote_is_worked_out_again(big: Campaign, rosa: User, figures: object) -> None:
    tasks.keep_figures()
    KeptFigures.objects.filter(subject="tables").update(figures=figures)
    assert client_of(rosa).get(f"/campaigns/{big.pk}/tables").status_code == 200
    assert kept_figures.work_out_due() == 1


def test_whoever_asks_gets_them_anew(big: Campaign, rosa: User) -> None:
    tasks.keep_figures()
    client, address = client_of(rosa), f"/campaigns/{big.pk}/figures/tables"
    assert client.get(address)["HX-Refresh"] == "true"
    assert client.post(f"{address}/anew").status_code == 302
    assert "HX-Refresh" not in client.get(address).headers
    assert kept_figures.work_out_due() == 1
    assert client.get(address)["HX-Refresh"] == "true"


def test_a_file_taken_in_asks_for_them_at_once(
    big: Campaign, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    tasks.keep_figures()
    line = b'{"id": "new", "prompt": [{"role": "user", "content": "Name a lake."}]}'
    with patch.object(app, "send_task") as ring, django_capture_on_commit_callbacks(execute=True):
        import_file("prompts", io.BytesIO(line), big, None)
    assert KEEP_FIGURES in [call.args[0] for call in ring.call_args_list]
    assert kept_figures.work_out_due() == len(kept.SUBJECTS)
    import_file("prompts", io.BytesIO(line), big, None)
    assert kept_figures.work_out_due() == 0


def test_one_worker_at_a_time_works_on_them(big: Campaign) -> None:
    KeptFigures.objects.create(campaign=big, subject="tables", began_at=timezone.now())
    assert kept_figures.work_out_due() == len(kept.SUBJECTS) - 1
    KeptFigures.objects.filter(subject="tables").update(began_at=timezone.now() - timedelta(hours=2))
    assert kept_figures.work_out_due() == 1


@pytest.mark.parametrize("subject", ["progress", "agreement"])
def test_programs_are_told_as_of_when(big: Campaign, rosa: User, subject: str) -> None:
    program, address = Program(rosa), f"campaigns/{big.pk}/{subject}"
    assert program.get(address).status_code == 409
    tasks.keep_figures()
    assert program.get(address).json()["as_of"] is not None
