import hashlib
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection
from django.utils import timezone

from annotate import snapshot_facts
from annotate.actions.snapshots import take_snapshot
from annotate.errors import Refused
from annotate.models import Campaign, Checkpoint, Completion, Ranking, User
from tests.rows import make_prompt

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, settings: LazySettings) -> None:
    settings.DATA_DIR = tmp_path


@pytest.fixture
def ranked(campaign: Campaign, lena: User, lars: User) -> Campaign:
    """A campaign in which lena has submitted a ranking and lars is still at his."""
    prompt = campaign.prompts.create(messages=[{"role": "user", "content": "Hi"}], author=lena, split="train")
    policy = Checkpoint.objects.create(kind="policy", name="base", location="somewhere")
    now = timezone.now()
    lenas = Ranking.objects.create(prompt=prompt, labeler=lena, slot=0, state="submitted", submitted_at=now)
    Ranking.objects.create(prompt=prompt, labeler=lars, slot=1, lease_until=now)
    for place in range(3):
        completion = Completion.objects.create(prompt=prompt, policy=policy, place=place, text=str(place))
        lenas.ranked_completions.create(completion=completion, place=place, rank=max(place, 1))
    return campaign


def test_it_writes_what_was_submitted_and_says_what_it_wrote(ranked: Campaign, rosa: User) -> None:
    snapshot = take_snapshot(ranked, rosa)
    content = (Path(snapshot.location) / "rankings.jsonl").read_bytes()
    about = snapshot.manifest["rankings"]
    assert (about["rows"], about["comparisons"], about["splits"]) == (1, 2, {"train": 1})
    assert (about["bytes"], about["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert json.loads((Path(snapshot.location) / "manifest.json").read_text())["sha256"] == snapshot.sha256
    assert not list(Path(snapshot.location).parent.glob("*.partial"))


def test_only_what_was_read_is_frozen(ranked: Campaign, rosa: User) -> None:
    take_snapshot(ranked, rosa)
    frozen = Ranking.objects.exclude(frozen_at=None)
    assert [ranking.labeler.username for ranking in frozen] == ["lena"]


def test_the_same_content_is_the_same_snapshot(ranked: Campaign, rosa: User) -> None:
    first = take_snapshot(ranked, rosa)
    frozen_at = Ranking.objects.get(slot=0).frozen_at
    assert take_snapshot(ranked, None) == first
    assert Ranking.objects.get(slot=0).frozen_at == frozen_at
    ranked.prompts.create(messages=[{"role": "user", "content": "Another"}], split="valid")
    second = take_snapshot(ranked, rosa)
    assert second.sha256 != first.sha256
    assert second.manifest["prompts"]["splits"] == {"train": 1, "valid": 1}


def test_a_folder_that_went_missing_is_written_again(ranked: Campaign, rosa: User) -> None:
    location = Path(take_snapshot(ranked, rosa).location)
    location.rename(location.with_suffix(".moved"))
    assert take_snapshot(ranked, rosa).location == str(location)
    assert (location / "prompts.jsonl").exists()


def test_what_a_killed_snapshot_left_is_removed_and_what_another_writes_stays(
    ranked: Campaign, rosa: User, tmp_path: Path
) -> None:
    left, written = (tmp_path / "snapshots" / f"{name}.partial" for name in ("left", "written"))
    for folder in (left, written):
        folder.mkdir(parents=True)
        (folder / "rankings.jsonl").write_text("half")
    with closing(connection.copy()) as another:
        another.cursor().execute("SELECT pg_advisory_lock(hashtextextended('written.partial', 0))")
        snapshot = take_snapshot(ranked, rosa)
    assert {path.name for path in written.parent.iterdir()} == {written.name, snapshot.sha256}


def test_there_is_no_snapshot_of_nothing(campaign: Campaign, rosa: User) -> None:
    with pytest.raises(Refused, match="the campaign has no prompts"):
        take_snapshot(campaign, rosa)


def test_freezing_many_answers_hardly_writes_an_index(campaign: Campaign) -> None:
    prompt, now = make_prompt(campaign), timezone.now()
    told = {"prompt": prompt, "state": "submitted", "submitted_at": now}
    Ranking.objects.bulk_create(Ranking(slot=slot, **told) for slot in range(200))
    Ranking.objects.update(frozen_at=now)
    with connection.cursor() as cursor:
        # Rows written on their own page are called HOT: heap-only tuples. A row or two find theirs full.
        cursor.execute("SELECT pg_stat_get_xact_tuples_hot_updated('annotate_ranking'::regclass)")
        (hot,) = cursor.fetchone()
    assert hot > 150


def test_facts_are_measured_before_the_planner_is_told_to_read_by_index(
    ranked: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured, settings = snapshot_facts.facts, []

    def facts(*asked: Any) -> dict[str, Any]:
        with connection.cursor() as cursor:
            cursor.execute("SHOW enable_hashjoin")
            settings.append(cursor.fetchone())
        return measured(*asked)

    monkeypatch.setattr(snapshot_facts, "facts", facts)
    take_snapshot(ranked, None)
    assert settings == [("on",)]
