import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.utils import timezone

from annotate import datasets, tables
from annotate.actions.imports import import_by_name
from annotate.models import (
    Campaign,
    Checkpoint,
    Completion,
    Demonstration,
    Prompt,
    RankedCompletion,
    Ranking,
    User,
)
from annotate.wire import Kind

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
FILES: list[tuple[Kind, str]] = [
    ("rankings", "qa_feedback_train.rankings.jsonl"),
    ("rankings", "qa_feedback_valid.rankings.jsonl"),
    ("rankings", "oasst_en.rankings.jsonl"),
    ("rankings", "llmfao.rankings.jsonl.gz"),
    ("demonstrations", "self_instruct.demonstrations.jsonl"),
]
ORDER: list[Kind] = ["prompts", "demonstrations", "rankings"]

pytestmark = pytest.mark.django_db


def exported(campaign: Campaign) -> dict[Kind, bytes]:
    return {kind: b"".join(datasets.lines(kind, datasets.of_campaign(campaign))) for kind in ORDER}


def rows(kind: str, campaign: Campaign) -> list[dict[str, Any]]:
    return [json.loads(line) for line in datasets.lines(kind, datasets.of_campaign(campaign))]


def empty_the_database() -> None:
    for model in (Ranking, Demonstration, Completion, Prompt, Campaign, Checkpoint, User):
        model.objects.all().delete()


def brought_back(files: dict[Kind, bytes]) -> Campaign:
    for kind in ORDER:
        if files[kind]:
            import_by_name(kind, io.BytesIO(files[kind]), "Brought back", sample=False)
    return Campaign.objects.get(name="Brought back")


def answer(model: type[Any], prompt: Prompt, labeler: User, slot: int, **fields: Any) -> Any:
    now = timezone.now()
    return model.objects.create(
        prompt=prompt, labeler=labeler, slot=slot, state="submitted", submitted_at=now, **fields
    )


def rank(prompt: Prompt, labeler: User, slot: int, ranks: list[int]) -> Ranking:
    """Judge the prompt's completions, shown in reverse order."""
    ranking: Ranking = answer(Ranking, prompt, labeler, slot, seconds=12.25)
    for completion, rank in zip(prompt.completions.all(), ranks, strict=True):
        ranking.ranked_completions.create(
            completion=completion,
            place=len(ranks) - 1 - completion.place,
            rank=rank,
            rating=8 - rank,
            flags=["opinion", "hallucination"] if completion.place == 1 else [],
        )
    return ranking


@pytest.fixture
def lived_in(campaign: Campaign, lena: User, lars: User) -> Campaign:
    """A campaign with one prompt ranked twice and demonstrated, and one just written."""
    question = [{"role": "user", "content": "Wie spät ist es?\u2028 «now»"}]
    prompt = campaign.prompts.create(messages=question, author=lena, split="valid", source="labeler")
    policy = Checkpoint.objects.create(kind="policy", name="sft 1", location="somewhere")
    for place, text in enumerate(["Noon.", "", "Späť 🕛\n"]):
        Completion.objects.create(prompt=prompt, policy=policy, place=place, text=text)
    rank(prompt, lena, 0, [1, 3, 1])
    rank(prompt, lars, 1, [2, 1, 3])
    answer(Demonstration, prompt, lars, 0, text="It is noon.")
    answer(Demonstration, prompt, lena, 1, text="Twelve.")
    other = [{"role": "user", "content": "Und wie spät in Košice?"}]
    campaign.prompts.create(messages=other, author=lars, split="train", language="de", category="chat")
    return campaign


def test_what_was_made_here_comes_back_the_same(lived_in: Campaign) -> None:
    first = exported(lived_in)
    assert [lines.count(b"\n") for lines in first.values()] == [2, 2, 2]
    assert "Späť 🕛".encode() in first["rankings"]
    empty_the_database()
    assert exported(brought_back(first)) == first


def test_a_ranking_row_has_its_completions_in_their_own_order(lived_in: Campaign) -> None:
    row = json.loads(next(datasets.lines("rankings", datasets.of_campaign(lived_in))))
    assert [one["text"] for one in row["completions"]] == ["Noon.", "", "Späť 🕛\n"]
    assert (row["ranks"], row["ratings"], row["seconds"]) == ([1, 3, 1], [7, 5, 7], 12.25)
    assert (row["author"], row["labeler"], row["split"]) == ("lena", "lena", "valid")
    assert (row["flags"][1], row["demonstration"]) == (["opinion", "hallucination"], "It is noon.")


def test_comparisons_are_chat_messages_with_a_margin(lived_in: Campaign) -> None:
    found = rows("comparisons", lived_in)
    assert [row["margin"] for row in found] == [2, 2, 1, 1, 2]
    assert found[0]["chosen"] == [{"role": "assistant", "content": "Noon."}]
    assert found[0]["rejected"] == [{"role": "assistant", "content": ""}]
    assert found[0].keys() == {"prompt_id", "prompt", "chosen", "rejected", "labeler", "margin", "split"}


def test_unfinished_answers_stay_in(lived_in: Campaign) -> None:
    Ranking.objects.filter(slot=0).update(state="claimed", lease_until=timezone.now())
    Demonstration.objects.update(state="skipped", slot=None)
    assert len(rows("rankings", lived_in)) == 1
    assert not rows("demonstrations", lived_in)
    assert "demonstration" not in rows("rankings", lived_in)[0]


def test_the_same_words_by_two_labelers_are_one_demonstration(lived_in: Campaign) -> None:
    Demonstration.objects.update(text="It is noon.")
    assert len(rows("demonstrations", lived_in)) == 1


@pytest.mark.parametrize(("kind", "name"), FILES)
def test_a_real_file_comes_back_the_same(kind: Kind, name: str) -> None:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} is not here: real data lies beside the checkout on some machines only")
    with path.open("rb") as file:
        import_by_name(kind, file, "First")
    first = exported(Campaign.objects.get(name="First"))
    if "qa_feedback" in name:
        assert first["rankings"] == path.read_bytes()
    empty_the_database()
    assert exported(brought_back(first)) == first


@pytest.mark.parametrize("kind", datasets.KINDS)
def test_parquet_has_the_same_rows_as_the_lines(lived_in: Campaign, kind: str) -> None:
    file = io.BytesIO()
    tables.write(kind, "parquet", datasets.lines(kind, datasets.of_campaign(lived_in)), file)
    found = [_without_nulls(row) for row in pq.read_table(file).to_pylist()]
    assert found == rows(kind, lived_in)
    assert found or kind == "rated"


def _without_nulls(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def test_unpaired_is_good_or_bad_by_rating_and_without_ratings_by_rank(lived_in: Campaign) -> None:
    RankedCompletion.objects.filter(rating=5).update(rating=3)
    assert [row["label"] for row in rows("unpaired", lived_in)] == [True, False, True, True, True, False]
    RankedCompletion.objects.update(rating=None)
    found = [(row["completion"][0]["content"], row["label"]) for row in rows("unpaired", lived_in)]
    assert found == [("Noon.", True), ("", False), ("Späť 🕛\n", True), ("", True), ("Späť 🕛\n", False)]


def test_rated_are_the_completions_that_got_a_seven(lived_in: Campaign) -> None:
    found = [(row["completion"][0]["content"], row["labeler"]) for row in rows("rated", lived_in)]
    assert found == [("Noon.", "lena"), ("Späť 🕛\n", "lena"), ("", "lars")]


def test_a_csv_cell_is_never_a_formula(lived_in: Campaign, lena: User) -> None:
    User.objects.filter(pk=lena.pk).update(username="=HYPERLINK(1)")
    chosen = datasets.of_campaign(lived_in)
    text = b"".join(tables.csv_lines("rated", datasets.lines("rated", chosen))).decode()
    first = next(csv.DictReader(io.StringIO(text)))
    assert (first["labeler"], first["completion"]) == ("'=HYPERLINK(1)", "Noon.")
    assert first["prompt"] == "Wie spät ist es?\u2028 «now»"
