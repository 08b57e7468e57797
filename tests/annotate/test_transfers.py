"""Imports and snapshots as workers carry them: progress, cancelling, another try, nothing half-written."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from annotate.actions import carrying, transfers
from annotate.actions.carrying import Progress, Stopped
from annotate.errors import Refused
from annotate.models import Campaign, Prompt, Transfer, User
from annotate.snapshot_query import EVERYTHING
from tests.annotate.api import Program
from tests.people import client_of
from tests.rows import make_prompt

GOOD = [json.dumps({"id": f"p{n}", "prompt": [{"role": "user", "content": f"Say {n}"}]}) for n in range(3)]

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, settings: Settings) -> None:
    settings.DATA_DIR = tmp_path


def asked(campaign: Campaign, actor: User, lines: list[str], name: str = "rows.jsonl") -> Transfer:
    file = TemporaryUploadedFile(name, "", 0, None)
    file.write("\n".join(lines).encode())
    file.flush()
    return transfers.ask_for_import(campaign, actor, "prompts", file)


def worked(transfer: Transfer, **options: Any) -> Transfer:
    carrying.work(transfer.pk, **options)
    return Transfer.objects.get(pk=transfer.pk)


def test_a_file_is_taken_in_and_the_same_one_again_adds_nothing(campaign: Campaign, ada: User) -> None:
    for added in (3, 0):
        done = worked(asked(campaign, ada, GOOD))
        assert (done.state, done.rows, done.result["prompts"]) == ("succeeded", 3, added)


def test_bad_lines_are_listed_and_the_good_ones_can_be_kept(campaign: Campaign, ada: User) -> None:
    failed = worked(asked(campaign, ada, [GOOD[0], "=not JSON", GOOD[1], "{}"]))
    assert (failed.state, failed.reason) == ("failed", "2 lines are wrong, so nothing was added.")
    assert [line for line, _problem in failed.problems] == [2, 4]
    assert not Prompt.objects.exists()
    told = b"".join(client_of(ada).get(f"/transfers/{failed.pk}/problems.csv").streaming_content)
    assert told.decode().splitlines()[2] == '4,"id, prompt missing."'
    client_of(ada).post(f"/transfers/{failed.pk}/retry", {"keep_good": ""})
    result = worked(failed).result
    assert (result["rows"], result["refused"], result["prompts"]) == (2, 2, 2)


def test_the_upload_is_kept_until_it_is_done(
    campaign: Campaign, ada: User, tmp_path: Path, django_capture_on_commit_callbacks: Any
) -> None:
    failed = worked(asked(campaign, ada, ["{}"], "../../odd name.jsonl"))
    assert Path(failed.location).is_relative_to(tmp_path / "uploads")
    assert Path(failed.location).read_text() == "{}"
    with django_capture_on_commit_callbacks(execute=True):
        worked(asked(campaign, ada, GOOD))
    assert [str(path) for path in (tmp_path / "uploads").glob("*/*")] == [failed.location]
    Transfer.objects.update(finished_at=timezone.now() - timedelta(days=8))
    transfers.find_lost()
    assert not list((tmp_path / "uploads").glob("*"))
    with pytest.raises(Refused, match="Only what failed|no longer kept"):
        transfers.retry(failed, ada)


def test_a_worker_that_stops_gives_the_transfer_back(campaign: Campaign, ada: User) -> None:
    left = worked(asked(campaign, ada, GOOD), is_stopping=lambda: True)
    assert (left.state, Prompt.objects.count()) == ("queued", 0)
    assert worked(left).state == "succeeded"


def test_a_worker_that_was_killed_leaves_a_failure_that_can_be_tried_again(
    campaign: Campaign, ada: User
) -> None:
    transfer = transfers.begin(asked(campaign, ada, GOOD).pk)
    assert transfer and transfers.find_lost() == 0
    Transfer.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=2))
    assert transfers.find_lost() == 1
    lost = Transfer.objects.get()
    assert (lost.state, lost.reason[:18]) == ("failed", "The worker stopped")
    transfers.retry(lost, ada)
    assert worked(lost).state == "succeeded"


def test_one_is_taken_at_a_time_and_told_to_stop_when_cancelled(campaign: Campaign, ada: User) -> None:
    first, second = (asked(campaign, ada, GOOD) for _time in range(2))
    taken = transfers.begin(first.pk)
    assert taken and transfers.begin(second.pk) is None
    progress = Progress(taken, lambda: False)
    progress.tell(2, 99)
    transfers.cancel(taken, ada)
    progress.report()
    with pytest.raises(Stopped):
        progress.tell(3, 150)
    assert Transfer.objects.get(pk=first.pk).rows == 2
    transfers.cancel(second, ada)
    assert Transfer.objects.get(pk=second.pk).state == "cancelled"


def test_a_page_shows_how_far_a_snapshot_is(campaign: Campaign, rosa: User) -> None:
    make_prompt(campaign)
    transfer = transfers.ask_for_snapshot(campaign, rosa, EVERYTHING)
    Transfer.objects.update(state="running", rows=500, total_rows=2000)
    page = client_of(rosa).get(f"/transfers/{transfer.pk}/status").text
    assert "500 of 2,000 rows written" in page
    assert '<progress value="500" max="2000"' in page
    Transfer.objects.update(state="queued")
    worked(transfer)
    assert client_of(rosa).get(f"/transfers/{transfer.pk}/status")["HX-Refresh"] == "true"


def test_only_admins_see_imports(campaign: Campaign, ada: User, rosa: User) -> None:
    path = f"/transfers/{asked(campaign, ada, GOOD).pk}"
    assert [client_of(user).get(path).status_code for user in (ada, rosa)] == [200, 404]


def test_a_program_sends_a_file_and_reads_how_it_went(campaign: Campaign, ada: User) -> None:
    program, path = Program(ada), f"/api/campaigns/{campaign.pk}/imports"
    file = SimpleUploadedFile("rows.jsonl", f"{GOOD[0]}\n{{}}\n".encode())
    begun = Client().post(path, {"kind": "prompts", "file": file}, headers=program.headers)
    assert (begun.status_code, begun.json()["state"]) == (202, "queued")
    transfer = f"transfers/{begun.json()['id']}"
    carrying.work(begun.json()["id"])
    assert program.get(transfer).json()["problems"] == [{"line": 2, "problem": "id, prompt missing."}]
    told = b"".join(program.get(f"{transfer}/problems").streaming_content)
    assert told.decode().splitlines() == ["line,problem", '2,"id, prompt missing."']
    assert program.post(f"{transfer}/retry", {"keep_good": True}).json()["state"] == "queued"
    carrying.work(begun.json()["id"])
    assert program.get(transfer).json()["result"]["prompts"] == 1
    assert program.get(f"campaigns/{campaign.pk}/imports").json()["results"][0]["refused"] == 1
    assert program.post(f"{transfer}/cancel").status_code == 409
    wrong = Client().post(path, {"kind": "votes"}, headers=program.headers)
    assert [each["field"] for each in wrong.json()["fields"]] == ["kind", "file"]
