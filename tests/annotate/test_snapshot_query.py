"""What a snapshot takes in when a query names a part."""

import json
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone
from pytest_django import Settings

from annotate.actions import carrying
from annotate.actions.snapshots import take_snapshot
from annotate.errors import Invalid, Refused
from annotate.models import Campaign, Prompt, Ranking, Snapshot, Transfer, User
from annotate.snapshot_query import SnapshotQuery
from tests.annotate.api import Program
from tests.people import client_of, make_campaign
from tests.rows import sampled_prompt

pytestmark = pytest.mark.django_db


def rank(prompt: Prompt, labeler: User, ranks: Sequence[int], days_ago: int = 0) -> Ranking:
    instructions = prompt.campaign.instructions.order_by("version").last()
    ranking = Ranking.objects.create(
        prompt=prompt,
        labeler=labeler,
        slot=prompt.rankings.count(),
        state="submitted",
        submitted_at=timezone.now() - timedelta(days=days_ago),
        instructions=instructions,
    )
    for completion, rank in zip(prompt.completions.all(), ranks, strict=True):
        ranking.ranked_completions.create(completion=completion, place=completion.place, rank=rank)
    return ranking


@pytest.fixture
def judged(campaign: Campaign, lena: User, lars: User, settings: Settings, tmp_path: Path) -> Campaign:
    """Three prompts: on the first two disagree once, on the second always; the third has one ranking."""
    settings.DATA_DIR = tmp_path
    alike, unlike, single = (sampled_prompt(campaign, text) for text in ("Alike", "Unlike", "Single"))
    rank(alike, lena, [1, 2, 3, 4])
    rank(alike, lars, [1, 2, 4, 3], days_ago=9)
    rank(unlike, lena, [1, 2, 3, 4])
    rank(unlike, lars, [4, 3, 2, 1])
    rank(single, lena, [1, 1, 1, 2])
    Prompt.objects.filter(pk=single.pk).update(split="test", source="customer")
    return campaign


def prompts_in(snapshot: Snapshot, kind: str = "rankings") -> list[str]:
    lines = (Path(snapshot.location) / f"{kind}.jsonl").read_text().splitlines()
    return [json.loads(line)["prompt"][0]["content"] for line in lines]


def ids_in(snapshot: Snapshot, kind: str = "prompts") -> list[str]:
    lines = (Path(snapshot.location) / f"{kind}.jsonl").read_text().splitlines()
    return [json.loads(line)["id"] for line in lines]


QUERIES: list[tuple[dict[str, Any], list[str]]] = [
    ({"agreement": 0.83}, ["Alike", "Alike"]),
    ({"agreement": 0.84}, []),
    ({"agreement": 0.84, "keep_single": True}, ["Single"]),
    ({"agreement": 0.0}, ["Alike", "Alike", "Unlike", "Unlike"]),
    ({"labelers": ["lars"]}, ["Alike", "Unlike"]),
    ({"splits": ["test", "valid"]}, ["Single"]),
    ({"until": date.today() - timedelta(days=5)}, ["Alike"]),
    ({"since": date.today() - timedelta(days=5), "labelers": ["lars"]}, ["Unlike"]),
    ({"instructions": [2]}, []),
]


@pytest.mark.parametrize(("asked", "found"), QUERIES)
def test_a_query_takes_in_what_fits_it(
    judged: Campaign, rosa: User, asked: dict[str, Any], found: list[str]
) -> None:
    assert prompts_in(_taken(judged, rosa, asked)) == found


def _taken(campaign: Campaign, actor: User, asked: dict[str, Any]) -> Snapshot:
    return take_snapshot(campaign, actor, SnapshotQuery(**asked))


def test_a_query_that_lets_everything_in_is_another_snapshot(judged: Campaign, rosa: User) -> None:
    whole, part = take_snapshot(judged, rosa), _taken(judged, rosa, {"labelers": ["lena", "lars"]})
    assert whole.manifest["rankings"]["sha256"] == part.manifest["rankings"]["sha256"]
    assert whole.sha256 != part.sha256
    assert part.query == {"labelers": ["lars", "lena"]}
    assert json.loads((Path(part.location) / "manifest.json").read_text())["query"] == part.query


def test_held_out_labelers_are_in_no_snapshot_of_several_campaigns(
    judged: Campaign, rosa: User, lena: User, lars: User
) -> None:
    judged.held_out_labelers.add(lena)
    elsewhere = make_campaign("Elsewhere")
    rank(sampled_prompt(elsewhere, "Else"), lena, [1, 2, 3, 4])
    snapshot = _taken(judged, rosa, {"campaigns": [elsewhere]})
    assert prompts_in(snapshot) == ["Alike", "Unlike", "Else"]
    assert snapshot.query == {"campaigns": ["Elsewhere"]}


def test_the_same_ids_in_two_campaigns_stay_apart(judged: Campaign, rosa: User, lena: User) -> None:
    elsewhere = make_campaign("Elsewhere")
    rank(sampled_prompt(elsewhere, "Else"), lena, [1, 2, 3, 4])
    for campaign, text in ((judged, "Alike"), (elsewhere, "Else")):
        words = [{"role": "user", "content": text}]
        Prompt.objects.filter(campaign=campaign, messages=words).update(source_id="r1")
    Prompt.objects.filter(campaign=judged, messages__0__content="Unlike").update(source_id="u" * 200)
    assert "r1" in ids_in(take_snapshot(judged, rosa))
    together = _taken(judged, rosa, {"campaigns": [elsewhere]})
    ids = ids_in(together)
    assert {f"{judged.pk}/r1", f"{elsewhere.pk}/r1"} < set(ids)
    assert len(set(ids)) == len(ids) == 4
    assert max(map(len, ids)) <= 200
    assert set(ids_in(together, "rankings")) == set(ids)


def test_the_manifest_counts_whose_answers_under_which_instructions(judged: Campaign, rosa: User) -> None:
    about = take_snapshot(judged, rosa).manifest["rankings"]
    assert (about["labelers"], about["by_labeler"]) == (2, [3, 2])
    assert about["instructions"] == {"Helpful answers v1": 5}
    assert about["sources"] == {"": 4, "customer": 1}
    assert about["splits"] == {"test": 1, "train": 4}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"since": date(2026, 3, 2), "until": date(2026, 3, 1)}, "until: lies before since"),
        ({"until": date(9999, 12, 31)}, "until: a day of the years 1970 to 2999"),
        ({"labelers": ["lena", "nobody"]}, "labelers: nobody is called nobody"),
        ({"agreement": 1.5}, "agreement: a share from 0 to 1"),
        ({"splits": ["dev"]}, "splits: there is no dev"),
    ],
)
def test_what_cannot_be_meant_is_named(
    judged: Campaign, rosa: User, asked: dict[str, Any], message: str
) -> None:
    with pytest.raises(Invalid, match=message):
        _taken(judged, rosa, asked)
    with pytest.raises(Refused, match="Nothing fits this query"):
        _taken(judged, rosa, {"until": date(1999, 1, 1)})


def test_page_program_and_command_take_the_same_snapshot(
    judged: Campaign, rosa: User, capsys: pytest.CaptureFixture[str]
) -> None:
    path = f"campaigns/{judged.pk}/snapshots"
    by_program = Program(rosa).post(path, {"agreement": 0.83, "splits": ["train"]}).json()
    carrying.work(by_program["id"])
    taken = Snapshot.objects.get()
    assert taken.query == {"agreement": 0.83, "keep_single": False, "splits": ["train"]}
    form = {"agreement": "0.83", "splits": ["train"], "labelers": ""}
    client_of(rosa).post(f"/campaigns/{judged.pk}/data/snapshot", form)
    asked = Transfer.objects.exclude(pk=by_program["id"]).get()
    carrying.work(asked.pk)
    assert client_of(rosa).get(f"/transfers/{asked.pk}").url == f"/snapshots/{taken.pk}"
    call_command("take_snapshot", campaign=judged.name, agreement=0.83, split=["train"])
    assert json.loads(capsys.readouterr().out)["sha256"] == taken.sha256


def test_a_form_that_cannot_be_meant_keeps_what_was_typed(judged: Campaign, rosa: User) -> None:
    form = {"labelers": "lena\nnobody", "agreement": "0.7"}
    page = client_of(rosa).post(f"/campaigns/{judged.pk}/data/snapshot", form)
    assert page.status_code == 422
    assert "nobody is called nobody" in page.text
    assert 'value="0.7"' in page.text and "lena\nnobody</textarea>" in page.text
