"""The accuracy benchmark: a reward model a seed, judged on the files' own valid split, trained once."""

import json
from pathlib import Path

import pytest

from benchmarks import reward_accuracy
from trainer.config import RewardConfig
from trainer.rankings import JudgedPrompt


def rankings(path: Path, split: str, count: int) -> Path:
    rows = [
        {
            "id": f"{split}{number}",
            "prompt": [{"role": "user", "content": f"Which of {split} {number}?"}],
            "completions": [{"text": "a longer one"}, {"text": "another"}, {"text": "short"}],
            "ranks": [1, 2, 2] if number % 4 else [2, 3, 1],
            "split": split,
        }
        for number in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_each_seed_is_trained_once_and_judged_on_the_valid_split(
    tiny_policy: Path, tmp_path: Path, stages_run: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    files = [
        str(rankings(tmp_path / f"{split}.jsonl", split, n)) for split, n in (("train", 12), ("valid", 8))
    ]
    small = ["layers=1", "trained_layers=1", "max_prompt_tokens=60", "dtype=float32"]
    command = [
        "--rankings",
        *files,
        "--policy",
        str(tiny_policy),
        "--out",
        str(tmp_path / "out"),
        "--seeds",
        "2",
    ]
    reward_accuracy.main([*command, "--set", *small])
    told = capsys.readouterr().out
    *seeds, mean = [json.loads(line) for line in told.splitlines()]
    assert [one["seed"] for one in seeds] == [0, 1]
    assert mean["ours"] == pytest.approx(sum(one["accuracy"] for one in seeds) / 2, abs=1e-4)
    # Of eight prompts six prefer the longest to both others, and two the shortest to both, then the longest.
    assert mean["peer"] == pytest.approx((6 * 2 + 2 * 1) / (6 * 2 + 2 * 3), abs=1e-4)
    assert json.loads((tmp_path / "out/seed-1/podium.json").read_text())["result"]["prompts"] == 8
    reward_accuracy.main([*command, "--set", *small])
    assert stages_run == ["reward", "reward"], "what is done is not done again"
    assert capsys.readouterr().out == told, "nor is how long it took forgotten"


def test_trl_is_told_the_same_comparisons_in_as_many_steps() -> None:
    train = [
        JudgedPrompt([1, 2], [[3, 9], [4, 9], [5, 9]], [(1, 0), (1, 2)]),
        JudgedPrompt([6], [[7, 9], [8, 9]], [(0, 1)]),
        JudgedPrompt([6, 6], [[7, 9], [8, 9]], [(1, 0)]),
    ]
    config = RewardConfig(batch_size=2, lr=5e-5, layers=12, epochs=2, seed=3)
    told = reward_accuracy.trl_spec(Path("policy"), train, train[:1], config)
    assert told["pairs"] == [
        [[1, 2, 4, 9], [1, 2, 3, 9]],
        [[1, 2, 4, 9], [1, 2, 5, 9]],
        [[6, 7, 9], [6, 8, 9]],
        [[6, 6, 8, 9], [6, 6, 7, 9]],
    ]
    assert told["held_out"] == [[[1, 2, 3, 9], [1, 2, 4, 9], [1, 2, 5, 9]]]
    assert (told["steps"], told["epochs"], told["lr"], told["layers"], told["seed"]) == (4, 2, 5e-5, 12, 3)
