"""Does PPO game its reward model? `python -m benchmarks.second_judge --rankings FILE --policy DIR --out DIR`.

Prompts are cut in two halves, and a reward model learns from each. PPO learns from the first one; the second,
which nothing learns from, scores the same held-out completions on the way. Where the first score goes on
rising and the second does not, the policy has found what the first alone likes (Gao et al. 2022, arXiv
2210.10760). Given again after a kill, the command goes on.
"""

import argparse
import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev

from benchmarks.curve import curve
from benchmarks.turns import ROOT
from trainer.data import Ranking, held_out, prompt_key, read_rankings
from trainer.intervals import ratio_interval

Looks = dict[int, list[dict[str, float]]]
"""By step, what was found of each held-out completion; the same prompts in the same order at every step."""

VALID_FRACTION = 0.15
"""Held out by a hash of the prompt, where the files name no valid split."""
JUDGES = {"score": "the judge that PPO learns from", "second_score": "the judge of the other half"}


def main(arguments: Sequence[str]) -> None:
    """Run the stages that are not done yet, and print a JSON line for each point of the curve."""
    asked = parser().parse_args(arguments)
    write_inputs([row for path in asked.rankings for row in read_rankings(path)], asked.out)
    for name in ("first", "second"):
        reads = {"policy": asked.policy, "rankings": asked.out / f"{name}.rankings.jsonl"}
        stage("reward", asked.out / name, reads, asked.reward)
    reads = {
        "policy": asked.policy,
        "reward-model": asked.out / "first",
        "second-judge": asked.out / "second",
        "prompts": asked.out / "prompts.jsonl",
    }
    stage("ppo", asked.out / "ppo", reads, asked.ppo)
    points = curve_of(read_looks(asked.out / "ppo/valid_samples.jsonl"))
    write_lines(asked.out / "curve.jsonl", points)
    (asked.out / "curve.svg").write_text(curve(points, JUDGES))
    print((asked.out / "curve.jsonl").read_text(), end="")


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m benchmarks.second_judge", description=__doc__)
    options.add_argument("--rankings", type=Path, nargs="+", required=True, help="files in the wire format")
    options.add_argument("--policy", type=Path, required=True, help="what PPO begins from, and both judges")
    options.add_argument("--out", type=Path, required=True, help="a folder for all that is made")
    for name in ("reward", "ppo"):
        words = f"fields of the {name} stage, over its preset small"
        options.add_argument(f"--{name}", nargs="+", default=[], metavar="FIELD=VALUE", help=words)
    return options


def write_inputs(rows: Sequence[Ranking], out: Path) -> None:
    """Write what the stages read: rankings of each half, the held-out ones with both, and prompts."""
    train, valid, _how = held_out(rows, VALID_FRACTION)
    out.mkdir(parents=True, exist_ok=True)
    held = [ranking_line(row, "valid") for row in valid]
    for name, half in (("first", True), ("second", False)):
        own = [ranking_line(row, "train") for row in train if in_first_half(row) is half]
        write_lines(out / f"{name}.rankings.jsonl", own + held)
    asked = {
        prompt_key(row): (row, split) for part, split in ((train, "train"), (valid, "valid")) for row in part
    }
    prompts = [{"id": row.id, "prompt": row.prompt, "split": split} for row, split in asked.values()]
    write_lines(out / "prompts.jsonl", prompts)


def in_first_half(row: Ranking) -> bool:
    """Return in which half a prompt falls, by a hash that has nothing to do with what is held out."""
    return hashlib.sha256(b"half/" + prompt_key(row).encode()).digest()[0] < 128


def ranking_line(row: Ranking, split: str) -> dict[str, object]:
    told = {"id": row.id, "prompt": row.prompt, "split": split, "ranks": row.ranks}
    told["completions"] = [{"text": text} for text in row.completions]
    optional = {"demonstration": row.demonstration, "labeler": row.labeler}
    return told | {name: value for name, value in optional.items() if value is not None}


def stage(name: str, out: Path, reads: dict[str, Path], fields: Sequence[str]) -> None:
    """Run a stage of the trainer, unless it is done."""
    if not out.exists():
        given = [part for option, path in reads.items() for part in (f"--{option}", str(path))]
        changes = [part for field in fields for part in ("--set", field)]
        run([name, *given, "--preset", "small", *changes, "--out", str(out)])


def run(arguments: list[str]) -> None:
    subprocess.run([sys.executable, "-m", "trainer", *arguments], cwd=ROOT, check=True)


def read_looks(path: Path) -> Looks:
    looks: Looks = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        found = json.loads(line)
        looks.setdefault(found["step"], []).append(found)
    return looks


def curve_of(looks: Looks) -> list[dict[str, float]]:
    """Return a point for each step: KL in nats, and how far each score rose since the first look.

    In standard deviations of that judge's scores at first, with 95 % intervals over prompts.
    """
    first = looks[min(looks)]
    units = {name: stdev(one[name] for one in first) for name in JUDGES}
    return [point_of(step, look, first, units) for step, look in sorted(looks.items())]


def point_of(
    step: int, look: list[dict[str, float]], first: list[dict[str, float]], units: dict[str, float]
) -> dict[str, float]:
    assert [one["id"] for one in look] == [one["id"] for one in first], "every look is at the same prompts"
    rises = {
        name: [(now[name] - before[name]) / unit for now, before in zip(look, first, strict=True)]
        for name, unit in units.items()
    }
    told = {"step": step, "tokens": fmean(one["tokens"] for one in look)}
    told["eos_rate"] = fmean(one["finish_reason"] == "stop" for one in look)
    for name, numbers in ({"kl": [one["kl"] for one in look]} | rises).items():
        low, high = ratio_interval(numbers, [1] * len(numbers))
        told |= {name: fmean(numbers), f"{name}_low": low, f"{name}_high": high}
    return told


def write_lines(path: Path, rows: Sequence[object]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
