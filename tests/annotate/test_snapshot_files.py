"""A snapshot's files: every kind in every format, and downloads that go on where they broke off."""

import hashlib
import io
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from django.conf import settings as django_settings
from django.http import HttpResponse
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from annotate import datasets, tables
from annotate.actions import carrying, snapshot_files, transfers
from annotate.actions.snapshots import take_snapshot
from annotate.file_ranges import Part, part_of
from annotate.models import Campaign, Snapshot, Transfer, User
from tests.annotate.api import Program
from tests.people import client_of
from tests.rows import make_prompt

pytestmark = pytest.mark.django_db


@pytest.fixture
def snapshot(campaign: Campaign, rosa: User, settings: Settings, tmp_path: Path) -> Snapshot:
    settings.DATA_DIR = tmp_path
    for number in range(5):
        make_prompt(campaign, f"Count to {number}. 数")
    return take_snapshot(campaign, rosa)


def body(response: HttpResponse) -> bytes:
    return b"".join(response.streaming_content)


@pytest.mark.parametrize("kind", datasets.KINDS)
def test_every_kind_is_there_in_every_format_and_hashed(snapshot: Snapshot, ada: User, kind: str) -> None:
    for form in tables.FORMATS:
        response = client_of(ada).get(f"/snapshots/{snapshot.pk}/{kind}.{form}")
        content = body(response)
        assert response["ETag"] == f'"{hashlib.sha256(content).hexdigest()}"'
        assert content == body(Program(ada).get(f"snapshots/{snapshot.pk}/files/{kind}?format={form}"))
    assert "parquet" in client_of(ada).get(f"/snapshots/{snapshot.pk}").text
    table = client_of(ada).get(f"/snapshots/{snapshot.pk}/prompts.parquet")
    assert pq.read_table(io.BytesIO(body(table))).num_rows == 5
    assert not list(Path(snapshot.location).glob("*.partial"))


def test_a_worker_makes_the_files_of_a_big_snapshot(
    snapshot: Snapshot, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_files, "MADE_AT_ONCE_BYTES", 100)
    (Path(snapshot.location) / "prompts.parquet.killed.partial").write_bytes(b"half")
    client, path = client_of(ada), f"/snapshots/{snapshot.pk}"
    assert f'action="{path}/prompts.parquet/make"' in client.get(path).text
    assert "not made yet" in client.get(f"{path}/prompts.parquet", follow=True).text
    asked = client.post(f"{path}/prompts.parquet/make").url
    assert client.post(f"{path}/prompts.parquet/make").url == asked
    assert "prompts.parquet" in client.get(asked).text
    carrying.work(Transfer.objects.get().pk)
    assert client.get(asked).url == path
    assert pq.read_table(io.BytesIO(body(client.get(f"{path}/prompts.parquet")))).num_rows == 5
    assert not list(Path(snapshot.location).glob("*.partial"))


def test_a_program_asks_for_a_file_and_reads_how_far_it_is(
    snapshot: Snapshot, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_files, "MADE_AT_ONCE_BYTES", 100)
    program, path = Program(ada), f"snapshots/{snapshot.pk}/files/prompts?format=csv"
    assert program.get(path).status_code == 409
    asked = program.post(path)
    assert (asked.status_code, asked.json()["kind"]) == (202, "file")
    carrying.work(asked.json()["id"])
    told = program.get(asked.json()["address"].removeprefix("/api/")).json()
    assert (told["state"], told["rows"], told["total_rows"]) == ("succeeded", 5, 5)
    assert body(program.get(path)).startswith(b"id,prompt")


def test_what_cannot_be_made_says_why(snapshot: Snapshot, ada: User) -> None:
    Snapshot.objects.update(location="/nowhere")
    snapshot.refresh_from_db()
    asked = transfers.ask_for_file(snapshot, ada, "prompts", "csv")
    carrying.work(asked.pk)
    assert "not on this machine" in client_of(ada).get(f"/transfers/{asked.pk}").text


def test_a_download_goes_on_where_it_broke_off(snapshot: Snapshot, ada: User) -> None:
    path = f"snapshots/{snapshot.pk}/files/prompts"
    whole = Program(ada).get(path)
    content, etag = body(whole), whole["ETag"]
    rest = Program(ada).get(path, Range="bytes=100-", If_Range=etag, Accept_Encoding="gzip")
    assert (rest.status_code, body(rest)) == (206, content[100:])
    assert rest["Content-Range"] == f"bytes 100-{len(content) - 1}/{len(content)}"
    assert Program(ada).get(path, Range="bytes=100-", If_Range='"another"').status_code == 200
    beyond = Program(ada).get(path, Range=f"bytes={len(content)}-")
    assert (beyond.status_code, beyond["Content-Range"]) == (416, f"bytes */{len(content)}")


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ({"Range": "bytes=2-5"}, Part(2, 5)),
        ({"Range": "bytes=2-500"}, Part(2, 9)),
        ({"Range": "bytes=-3"}, Part(7, 9)),
        ({"Range": "bytes=-30"}, Part(0, 9)),
        ({"Range": "bytes=10-"}, Part(10, 9)),
        ({"Range": "bytes=-"}, None),
        ({"Range": "bytes=1-2,4-5"}, None),
        ({"Range": "lines=1-2"}, None),
        ({"Range": "bytes=1-", "If-Range": "another"}, None),
        ({}, None),
    ],
)
def test_which_part_is_asked_for(asked: dict[str, str], part: Part | None) -> None:
    assert part_of(asked, "etag", 10) == part


@pytest.mark.django_db(transaction=True)
def test_curl_goes_on_with_half_a_file(
    snapshot: Snapshot, ada: User, live_server: LiveServer, tmp_path: Path
) -> None:
    whole = (Path(snapshot.location) / "prompts.jsonl").read_bytes()
    half = tmp_path / "half"
    half.write_bytes(whole[:70])
    cookie = client_of(ada).cookies[django_settings.SESSION_COOKIE_NAME].value
    command = ["curl", "-sS", "-f", "-C", "-", "-o", str(half), "-w", "%{http_code} %{size_download}"]
    command += ["-b", f"{django_settings.SESSION_COOKIE_NAME}={cookie}"]
    said = subprocess.check_output([*command, f"{live_server.url}/snapshots/{snapshot.pk}/prompts.jsonl"])
    assert said.decode() == f"206 {len(whole) - 70}"
    assert half.read_bytes() == whole
