"""How often is a reward model right? `python -m benchmarks.reward_accuracy ...`

Trains one for each seed as RECIPE says and prints a JSON line for each, then one of their mean beside what
"the longer one is better" reaches. The files name a valid split. Given again after a kill, it goes on.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from time import monotonic

from benchmarks.measuring import machine
from benchmarks.second_judge import ranking_line, stage, write_lines
from trainer.data import read_rankings

RECIPE = {
    "dtype": "bfloat16",
    "max_prompt_tokens": 256,
    "max_completion_tokens": 256,
    "micro_batch_tokens": 4096,
    "batch_size": 16,
    "epochs": 1,
    "lr": 5e-5,
    "head_lr": 1e-3,
    "layers": 12,
    "trained_layers": 12,
    "pooling": "mean",
    "demonstration_limit": 16,
    "valid_every": 10**6,
}
"""For a few hundred rankings on two cores; all that is taken of the policy learns (RESULTS.md)."""
TOLD = ("accuracy", "accuracy_low", "accuracy_high", "length_balanced_accuracy", "longer_accuracy")


def main(arguments: Sequence[str]) -> None:
    """Train what is not there yet, and print how right it is."""
    asked = parser().parse_args(arguments)
    asked.out.mkdir(parents=True, exist_ok=True)
    rankings = asked.out / "rankings.jsonl"
    rows = [row for path in asked.rankings for row in read_rankings(path)]
    write_lines(rankings, [ranking_line(row, row.split or "train") for row in rows])
    fields = [f"{name}={value}" for name, value in RECIPE.items()] + asked.set
    found = [judged(seed, asked.policy, rankings, asked.out, fields) for seed in range(asked.seeds)]
    ours, longer = (fmean(float(str(one[name])) for one in found) for name in ("accuracy", "longer_accuracy"))
    summary = {"ours": round(ours, 4), "peer": round(longer, 4), "ratio": round(ours / longer, 3)}
    tell(summary | {"unit": "share of comparisons", "seeds": len(found), "machine": machine()})


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m benchmarks.reward_accuracy", description=__doc__)
    options.add_argument("--rankings", type=Path, nargs="+", required=True, help="files in the wire format")
    options.add_argument("--policy", type=Path, required=True, help="what each reward model begins from")
    options.add_argument("--out", type=Path, required=True, help="a folder for all that is made")
    options.add_argument("--seeds", type=int, default=5, help="how many reward models")
    options.add_argument("--set", nargs="+", default=[], metavar="FIELD=VALUE", help="over the recipe")
    return options


def judged(seed: int, policy: Path, rankings: Path, out: Path, fields: Sequence[str]) -> dict[str, object]:
    """Return how right the reward model of one seed is, and its seconds if it ran in one go."""
    folder, kept = out / f"seed-{seed}", out / f"seed-{seed}.json"
    if not kept.exists():
        begun = folder.exists() or folder.with_name(f"{folder.name}.partial").exists()
        started = monotonic()
        stage("reward", folder, {"policy": policy, "rankings": rankings}, [*fields, f"seed={seed}"])
        seconds = None if begun else round(monotonic() - started)
        result = json.loads((folder / "podium.json").read_text())["result"]
        about = {"seed": seed, "seconds": seconds, "load": round(os.getloadavg()[0], 1)}
        kept.write_text(json.dumps(about | {name: result[name] for name in TOLD if name in result}))
    found: dict[str, object] = json.loads(kept.read_text())
    tell(found)
    return found


def tell(line: dict[str, object]) -> None:
    print(json.dumps({"benchmark": "reward-accuracy", **line}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
