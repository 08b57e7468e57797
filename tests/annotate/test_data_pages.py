"""Exports, imports and snapshots from the page."""

import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from pytest_django import Settings

from annotate import datasets, tables
from annotate.actions import carrying
from annotate.models import AuditEntry, Campaign, Prompt, Ranking, Snapshot, User
from tests.annotate.api import Program
from tests.people import client_of
from tests.rows import make_prompt

RANKING = {
    "id": "r1",
    "prompt": [{"role": "user", "content": "Name a river. 川"}],
    "completions": [{"text": "Rhine", "policy": "p"}, {"text": "No", "policy": "p"}],
    "ranks": [1, 2],
    "split": "train",
}


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, settings: Settings) -> None:
    settings.DATA_DIR = tmp_path


def upload(user: User, campaign: Campaign, text: str, kind: str = "rankings") -> HttpResponse:
    file = SimpleUploadedFile("rows.jsonl", text.encode())
    return client_of(user).post(f"/campaigns/{campaign.pk}/data/import", {"kind": kind, "file": file})


def carried(answer: HttpResponse, user: User) -> HttpResponse:
    """Do what the worker does for the transfer that an answer leads to, and return its page."""
    carrying.work(int(answer.url.rpartition("/")[2]))
    return client_of(user).get(answer.url)


def test_what_is_imported_comes_out_again(ada: User, campaign: Campaign) -> None:
    page = carried(upload(ada, campaign, json.dumps(RANKING) + "\n"), ada)
    assert "<dt>New rankings</dt><dd>1</dd>" in page.text
    export = client_of(ada).get(f"/campaigns/{campaign.pk}/data/rankings.jsonl")
    line = json.loads(b"".join(export.streaming_content))
    assert line["prompt"] == RANKING["prompt"]
    assert line["ranks"] == [1, 2]
    assert export["Content-Disposition"] == 'attachment; filename="helpful-answers.rankings.jsonl"'
    assert AuditEntry.objects.filter(actor=ada, verb="exported").exists()


def test_an_export_is_sent_in_blocks_rather_than_lines(ada: User, campaign: Campaign) -> None:
    for _number in range(20):
        make_prompt(campaign, "x" * 10_000)
    export = client_of(ada).get(f"/campaigns/{campaign.pk}/data/prompts.jsonl")
    sent = list(export.streaming_content)
    assert len(sent) == 3
    assert len(b"".join(sent).splitlines()) == 20


@pytest.mark.parametrize("form", tables.FORMATS)
def test_every_kind_comes_in_every_format(ada: User, campaign: Campaign, form: str) -> None:
    carried(upload(ada, campaign, json.dumps(RANKING) + "\n"), ada)
    page = client_of(ada).get(f"/campaigns/{campaign.pk}/data").text
    for kind in datasets.KINDS:
        path = f"/campaigns/{campaign.pk}/data/{kind}.{form}"
        assert f'href="{path}"' in page
        on_page = b"".join(client_of(ada).get(path).streaming_content)
        by_program = Program(ada).get(f"campaigns/{campaign.pk}/exports/{kind}?format={form}")
        assert b"".join(by_program.streaming_content) == on_page
        if form == "parquet":
            assert pq.read_table(io.BytesIO(on_page)).schema == tables.SCHEMAS[kind]


def test_a_bad_line_is_named_and_nothing_is_kept(ada: User, campaign: Campaign) -> None:
    bad = RANKING | {"id": "r2", "ranks": [1]}
    page = carried(upload(ada, campaign, json.dumps(RANKING) + "\n" + json.dumps(bad) + "\n"), ada)
    assert "1 line is wrong, so nothing was added." in page.text
    assert '<td class="number">2</td><td class="verbatim">ranks: 1 for 2 completions' in page.text
    assert not Prompt.objects.exists() and not Ranking.objects.exists()


def test_no_file_and_an_odd_kind_are_refused(ada: User, campaign: Campaign) -> None:
    assert (
        client_of(ada).post(f"/campaigns/{campaign.pk}/data/import", {"kind": "rankings"}).status_code == 422
    )
    assert upload(ada, campaign, "{}", kind="votes").status_code == 422
    assert client_of(ada).get(f"/campaigns/{campaign.pk}/data/votes.jsonl").status_code == 404


def test_a_researcher_sees_counts_and_no_way_in_or_out(rosa: User, campaign: Campaign) -> None:
    make_prompt(campaign)
    text = client_of(rosa).get(f"/campaigns/{campaign.pk}/data").text
    assert "Admins can download these" in text
    assert "prompts.jsonl" not in text
    assert upload(rosa, campaign, json.dumps(RANKING)).status_code == 404


def test_a_snapshot_is_taken_and_shown(rosa: User, campaign: Campaign) -> None:
    make_prompt(campaign)
    page = carried(client_of(rosa).post(f"/campaigns/{campaign.pk}/data/snapshot"), rosa)
    snapshot = Snapshot.objects.get()
    assert page.url == f"/snapshots/{snapshot.pk}"
    assert f"<code>{snapshot.sha256}</code>" in client_of(rosa).get(f"/snapshots/{snapshot.pk}").text
    assert str(snapshot) in client_of(rosa).get(f"/campaigns/{campaign.pk}/data").text


def test_there_is_nothing_to_take_a_snapshot_of(rosa: User, campaign: Campaign) -> None:
    page = carried(client_of(rosa).post(f"/campaigns/{campaign.pk}/data/snapshot"), rosa)
    assert "the campaign has no prompts" in page.text
