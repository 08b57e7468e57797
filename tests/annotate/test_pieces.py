"""A big snapshot's rankings, read in pieces by several connections: the same bytes as read by one."""

import json
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection, transaction
from django.utils import timezone

from annotate import pieces
from annotate.actions import carrying, transfers
from annotate.actions.snapshots import take_snapshot
from annotate.models import Campaign, ClaimState, Prompt, Ranking, Snapshot, Transfer, User
from annotate.snapshot_query import EVERYTHING
from tests.rows import sampled_prompt

pytestmark = pytest.mark.django_db(transaction=True)
PROMPTS = 7


@pytest.fixture
def ranked(campaign: Campaign, lena: User, lars: User, settings: LazySettings, tmp_path: Path) -> Campaign:
    """A campaign of seven prompts that two labelers ranked; every other one has demonstrations."""
    settings.DATA_DIR = tmp_path
    submitted = {"state": ClaimState.SUBMITTED, "submitted_at": timezone.now()}
    for number in range(PROMPTS):
        prompt = sampled_prompt(campaign, f"Count to {number}. 数")
        for slot, labeler in enumerate([lena, lars]):
            ranking = Ranking.objects.create(prompt=prompt, labeler=labeler, slot=slot, **submitted)
            for completion in prompt.completions.all():
                ranking.ranked_completions.create(
                    completion=completion, place=completion.place, rank=completion.place + 1
                )
            if number % 2:
                prompt.demonstrations.create(
                    labeler=labeler, slot=slot, text=f"By {labeler}: {number}", **submitted
                )
    return campaign


@pytest.fixture
def in_pieces(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Read three rankings at once, however few there are; return how many each connection gave."""
    read, rows = pieces._read, []

    def counted(*asked: Any) -> Any:
        batches = read(*asked)
        rows.append(sum(batch.counted.total() for batch in batches))
        return batches

    monkeypatch.setattr(pieces, "WORTH_IT", 0)
    monkeypatch.setattr(pieces, "PIECE", 3)
    monkeypatch.setattr(pieces, "_read", counted)
    return rows


def written(snapshot: Snapshot) -> bytes:
    return (Path(snapshot.location) / "rankings.jsonl").read_bytes()


def taken_anew(campaign: Campaign) -> bytes:
    """Return the rankings of a snapshot, which is forgotten: the next one writes its files again."""
    snapshot = take_snapshot(campaign, None)
    content = written(snapshot)
    Path(snapshot.location).rename(f"{snapshot.location}.{timezone.now().timestamp()}")
    snapshot.delete()
    return content


def test_pieces_give_the_same_bytes(ranked: Campaign, lars: User, request: pytest.FixtureRequest) -> None:
    ranked.held_out_labelers.set([lars])
    Ranking.objects.filter(labeler=lars).update(labeler=None)
    by_one = taken_anew(ranked)
    rows: list[int] = request.getfixturevalue("in_pieces")
    assert taken_anew(ranked) == by_one
    assert sorted(rows) == [2, 3, 3, 3, 3]
    shown = [json.loads(line).get("demonstration") for line in by_one.splitlines()]
    assert [text for text in shown if text] == [f"By lena: {number}" for number in (1, 1, 3, 3, 5, 5)]


def test_all_pieces_show_one_state_of_affairs(
    ranked: Campaign, in_pieces: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = taken_anew(ranked)
    read = pieces._read

    def meanwhile(*asked: Any) -> Any:
        in_another_connection(lambda: Prompt.objects.update(category="Changed"))
        return read(*asked)

    monkeypatch.setattr(pieces, "_read", meanwhile)
    assert taken_anew(ranked) == before
    assert len(in_pieces) == 2 * 5
    assert "Changed" in taken_anew(ranked).decode()


def test_what_is_not_committed_yet_is_read_by_one(ranked: Campaign, in_pieces: list[int]) -> None:
    with transaction.atomic():
        Prompt.objects.update(category="Seen here alone")
        assert b"Seen here alone" in written(take_snapshot(ranked, None))
    assert not in_pieces


def test_a_worker_takes_snapshots_in_pieces(ranked: Campaign, rosa: User, in_pieces: list[int]) -> None:
    transfer = transfers.ask_for_snapshot(ranked, rosa, EVERYTHING)
    carrying.work(transfer.pk)
    done = Transfer.objects.get(pk=transfer.pk)
    assert (done.state, done.rows, sum(in_pieces)) == ("succeeded", 3 * PROMPTS + 6, 2 * PROMPTS)
    assert done.snapshot == Snapshot.objects.get()


def test_a_piece_that_fails_leaves_nothing(
    ranked: Campaign, in_pieces: list[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def failing(*asked: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(pieces, "_read", failing)
    with pytest.raises(OSError, match="no space left"):
        take_snapshot(ranked, None)
    assert not list((tmp_path / "snapshots").iterdir())
    assert not Snapshot.objects.exists()
    assert not Ranking.objects.exclude(frozen_at=None).exists()


def in_another_connection(work: Callable[[], object]) -> None:
    def run() -> None:
        work()
        connection.close()

    thread = Thread(target=run)
    thread.start()
    thread.join()
