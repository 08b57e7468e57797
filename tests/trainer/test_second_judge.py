"""The second judge: how prompts are halved, what a point of its curve is, and all of it on tiny models."""

import json
import re
from pathlib import Path

import pytest

from benchmarks import second_judge
from benchmarks.curve import curve
from trainer.data import prompt_key, read_prompts, read_rankings


def rankings(path: Path, count: int) -> Path:
    """Write rankings, each prompt asked twice."""
    rows = [
        {
            "id": f"r{number}",
            "prompt": [{"role": "user", "content": f"Which of {number // 2}?"}],
            "completions": [{"text": f"one {number}"}, {"text": "another"}, {"text": "a third of them"}],
            "ranks": [1, 2, 2] if number % 2 else [2, 3, 1],
            "demonstration": "this one",
        }
        for number in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def asked_in(path: Path, split: str) -> set[str]:
    return {prompt_key(row) for row in read_rankings(path) if row.split == split}


def test_no_prompt_is_in_both_halves_and_both_judge_what_neither_learns_from(tmp_path: Path) -> None:
    rows = read_rankings(rankings(tmp_path / "all.jsonl", 120))
    second_judge.write_inputs(rows, tmp_path)
    first, second = (tmp_path / f"{name}.rankings.jsonl" for name in ("first", "second"))
    learned = [asked_in(path, "train") for path in (first, second)]
    assert asked_in(first, "valid") == asked_in(second, "valid") and len(asked_in(first, "valid")) > 2
    assert not learned[0] & learned[1] and min(map(len, learned)) > 15
    assert sum(row.split == "train" for path in (first, second) for row in read_rankings(path)) + sum(
        row.split == "valid" for row in read_rankings(first)
    ) == len(rows)
    prompts = read_prompts(tmp_path / "prompts.jsonl")
    assert {prompt_key(row) for row in prompts if row.split == "train"} == learned[0] | learned[1]
    assert {prompt_key(row) for row in prompts if row.split == "valid"} == asked_in(first, "valid")
    assert len(prompts) == 60


def test_a_point_is_what_the_scores_rose_by_in_units_of_how_they_spread_at_first() -> None:
    def found(name: str, score: float, second: float, kl: float) -> dict[str, object]:
        about = {"id": name, "tokens": 4, "finish_reason": "stop"}
        return {**about, "score": score, "second_score": second, "kl": kl}

    looks = {
        5: [found("a", 5, 1, 2), found("b", 5, 1, 4)],
        1: [found("a", 1, 3, 0), found("b", 3, 3.5, 0)],
    }
    start, end = second_judge.curve_of(looks)
    assert (start["step"], start["kl"], start["score"], start["second_score"]) == (1, 0, 0, 0)
    assert (end["step"], end["kl"], end["kl_low"], end["kl_high"]) == (5, 3, 2, 4)
    assert end["score"] == pytest.approx(3 / 2**0.5)  # rises of 4 and 2, of scores that spread by sqrt(2)
    assert end["second_score"] == pytest.approx(-2.25 / (0.5 / 2**0.5))
    assert end["score_low"] == pytest.approx(2 / 2**0.5) and end["eos_rate"] == 1


def test_the_curve_is_drawn_over_the_root_of_kl() -> None:
    ends = {f"{name}{end}": 1.0 for name in ("kl", "score", "second_score") for end in ("_low", "_high")}
    points = [{"kl": kl, "score": kl, "second_score": -kl, **ends} for kl in (0.0, 1.0, 4.0)]
    lines = re.findall(r'<polyline points="([^"]+)"', curve(points, second_judge.JUDGES))
    first, middle, last = (float(place.split(",")[0]) for place in lines[0].split())
    assert len(lines) == 2 and middle - first == pytest.approx(last - middle)


@pytest.mark.usefixtures("engine_at_hand")
def test_the_command_trains_two_judges_and_writes_the_curve(
    tiny_policy: Path, tmp_path: Path, stages_run: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    short = ["max_prompt_tokens=40", "max_completion_tokens=20", "dtype=float32", "trained_layers=1"]
    small = ["steps=2", "batch_size=4", "valid_every=1", "warmup_steps=0", "engine=transformers"]
    files = ["--rankings", str(rankings(tmp_path / "all.jsonl", 30)), "--policy", str(tiny_policy)]
    command = [*files, "--out", str(tmp_path / "out"), "--reward", *short, "--ppo", *short, *small]
    second_judge.main(command)
    points = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert [point["step"] for point in points] == [1, 2] and points[0]["kl"] == 0 == points[0]["score"]
    assert (tmp_path / "out/curve.svg").exists() and stages_run == ["reward", "reward", "ppo"]
    second_judge.main(command)
    assert len(stages_run) == 3, "what is done is not done again"
