"""Exports, imports and snapshots from the page."""

import io
import json

import pyarrow.parquet as pq
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse

from annotate import datasets, tables
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


def upload(user: User, campaign: Campaign, text: str, kind: str = "rankings") -> HttpResponse:
    file = SimpleUploadedFile("rows.jsonl", text.encode())
    return client_of(user).post(f"/campaigns/{campaign.pk}/data/import", {"kind": kind, "file": file})


def test_what_is_imported_comes_out_again(ada: User, campaign: Campaign) -> None:
    answer = upload(ada, campaign, json.dumps(RANKING) + "\n")
    assert answer.url == f"/campaigns/{campaign.pk}/data"
    export = client_of(ada).get(f"/campaigns/{campaign.pk}/data/rankings.jsonl")
    line = json.loads(b"".join(export.streaming_content))
    assert line["prompt"] == RANKING["prompt"]
    assert line["ranks"] == [1, 2]
    assert export["Content-Disposition"] == 'attachment; filename="helpful-answers.rankings.jsonl"'
    assert AuditEntry.objects.filter(actor=ada, verb="exported").exists()


@pytest.mark.parametrize("form", tables.FORMATS)
def test_every_kind_comes_in_every_format(ada: User, campaign: Campaign, form: str) -> None:
    upload(ada, campaign, json.dumps(RANKING) + "\n")
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
    answer = upload(ada, campaign, json.dumps(RANKING) + "\n" + json.dumps(bad) + "\n")
    assert answer.status_code == 422
    assert "line 2" in answer.text.lower()
    assert 'type="file"' in answer.text
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
    client_of(rosa).post(f"/campaigns/{campaign.pk}/data/snapshot")
    snapshot = Snapshot.objects.get()
    assert f"<code>{snapshot.sha256}</code>" in client_of(rosa).get(f"/snapshots/{snapshot.pk}").text
    assert str(snapshot) in client_of(rosa).get(f"/campaigns/{campaign.pk}/data").text


def test_there_is_nothing_to_take_a_snapshot_of(rosa: User, campaign: Campaign) -> None:
    assert client_of(rosa).post(f"/campaigns/{campaign.pk}/data/snapshot").status_code == 409
