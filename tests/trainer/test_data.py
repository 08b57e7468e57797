"""Files are read strictly, and whole prompts are held out."""

import json
from pathlib import Path

import pytest

from trainer.data import (
    BadInput,
    Prompt,
    batches,
    cycled,
    held_out,
    read_demonstrations,
    read_prompts,
    read_rankings,
    read_texts,
)

ASK = [{"role": "user", "content": "Name a fruit."}]
RANKING = {
    "id": "r1",
    "prompt": ASK,
    "completions": [{"text": "apple", "policy": "p"}, {"text": "iron"}],
    "ranks": [1, 2],
}


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def test_it_reads_a_ranking(tmp_path: Path) -> None:
    (ranking,) = read_rankings(write(tmp_path / "r.jsonl", RANKING | {"split": "valid"}))
    assert ranking.completions == ("apple", "iron")
    assert (ranking.ranks, ranking.split) == ((1, 2), "valid")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rank": 1}, "line 2: unknown key rank"),
        ({"ranks": [1]}, "line 2: 2 completions but 1 ranks"),
        ({"ranks": [1, True]}, "line 2: ranks must be a list of integers"),
        ({"split": "dev"}, "line 2: split must be one of"),
        ({"prompt": [{"role": "user"}]}, "line 2: prompt: each message"),
        ({"prompt": [{"role": "robot", "content": "x"}]}, "line 2: prompt: unknown role"),
        ({"completions": [{"text": "one"}]}, "line 2: completions must be"),
        ({"id": ""}, "line 2: id must be a text"),
    ],
)
def test_it_names_the_line_and_field(tmp_path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        read_rankings(write(tmp_path / "r.jsonl", RANKING, RANKING | change))


def test_it_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="line 1: missing completion"):
        read_demonstrations(write(tmp_path / "d.jsonl", {"id": "d", "prompt": ASK}))


def test_it_refuses_half_a_line_and_an_absent_file(tmp_path: Path) -> None:
    broken = tmp_path / "p.jsonl"
    broken.write_text('{"id": "p", "prom')
    with pytest.raises(BadInput, match="line 1"):
        read_prompts(broken)
    with pytest.raises(BadInput, match="cannot be read"):
        read_prompts(tmp_path / "absent.jsonl")


def test_a_line_separator_inside_a_text_does_not_end_the_line(tmp_path: Path) -> None:
    ask = [{"role": "user", "content": "one\u2028two"}]
    assert len(read_prompts(write(tmp_path / "p.jsonl", {"id": "p", "prompt": ask}))) == 1


def test_it_reads_pretraining_text_in_both_forms(tmp_path: Path) -> None:
    plain = tmp_path / "t.txt"
    plain.write_text("One paragraph\nof two lines.\n\nAnother.\n")
    assert read_texts(plain) == ["One paragraph\nof two lines.", "Another."]
    assert read_texts(write(tmp_path / "t.jsonl", {"text": "One."})) == ["One."]


def prompt(name: str, split: str | None = None) -> Prompt:
    return Prompt(name, ({"role": "user", "content": name},), split)


def test_a_file_with_a_valid_split_is_taken_at_its_word() -> None:
    rows = [prompt("a", "train"), prompt("b", "valid"), prompt("c", "test")]
    assert held_out(rows, 0.5) == ([rows[0]], [rows[1]], "split")


@pytest.mark.checklist(14)
def test_the_same_prompt_is_never_on_both_sides() -> None:
    rows = [prompt(str(i % 40)) for i in range(200)]
    train, valid, how = held_out(rows, 0.25)
    assert how == "hash"
    assert train and valid and len(train) + len(valid) == 200
    assert not {row.id for row in train} & {row.id for row in valid}


def test_test_and_valid_rows_are_never_trained_on() -> None:
    rows = [prompt("a", "test"), prompt("b", "valid"), *[prompt(str(i)) for i in range(50)]]
    train, valid, _ = held_out(rows, 0.2)
    assert all(row.split is None for row in train)
    assert all(row.split != "test" for row in valid) and rows[1] in valid


@pytest.mark.checklist(7)
def test_each_row_comes_once_an_epoch_in_an_order_the_seed_fixes() -> None:
    steps = batches(10, 4, 2, seed=3)
    assert [len(step) for step in steps] == [4, 4, 2, 4, 4, 2]
    assert sorted(sum(steps[:3], [])) == sorted(sum(steps[3:], [])) == list(range(10))
    assert steps == batches(10, 4, 2, seed=3) != batches(10, 4, 2, seed=4)
    assert steps[:3] != steps[3:]


@pytest.mark.checklist(7)
def test_an_endless_pass_uses_every_row_before_one_comes_again() -> None:
    seen = [i for step in range(1, 6) for i in cycled(5, 3, step, seed=0)]
    assert all(sorted(seen[at : at + 5]) == list(range(5)) for at in (0, 5, 10))
