"""How often is a reward model right? `python -m benchmarks.reward_accuracy ...`

Trains one for each seed as RECIPE says and prints a JSON line for each, then one of their mean beside what
"the longer one is better" reaches. The files name a valid split. Given again after a kill, it goes on. With
--trl also what TRL's RewardTrainer makes of the same comparisons in as many steps.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from time import monotonic

from benchmarks.learning import trl_python
from benchmarks.measuring import machine
from benchmarks.second_judge import ranking_line, stage, write_lines
from benchmarks.turns import ROOT
from trainer.accuracy import figures
from trainer.config import RewardConfig
from trainer.data import batches, held_out, read_rankings
from trainer.rankings import JudgedPrompt, judged_prompts
from trainer.tokens import load_tokenizer

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
MICRO_BATCH_PAIRS = 4
"""Eight sequences at once, about as many tokens as ours."""
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
    if asked.trl:
        tell({"trainer": "trl", **by_trl(asked.policy, rankings, asked.out)})


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m benchmarks.reward_accuracy", description=__doc__)
    options.add_argument("--rankings", type=Path, nargs="+", required=True, help="files in the wire format")
    options.add_argument("--policy", type=Path, required=True, help="what each reward model begins from")
    options.add_argument("--out", type=Path, required=True, help="a folder for all that is made")
    options.add_argument("--seeds", type=int, default=5, help="how many reward models")
    options.add_argument("--trl", action="store_true", help="then TRL's, with what the first seed was told")
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


def by_trl(policy: Path, rankings: Path, out: Path) -> dict[str, object]:
    """Return how right TRL's reward model is, and its seconds, told what the first seed's was told."""
    config = RewardConfig(**json.loads((out / "seed-0/podium.json").read_text())["config"])
    tokenizer = load_tokenizer(policy)
    limits = (config.max_prompt_tokens, config.max_completion_tokens)
    train_rows, valid_rows, _how = held_out(read_rankings(rankings), config.valid_fraction)
    train, valid = (judged_prompts(rows, tokenizer, *limits) for rows in (train_rows, valid_rows))
    given, scores = out / "trl.json", out / "trl.scores.json"
    given.write_text(json.dumps(trl_spec(policy, train, valid, config)))
    started = monotonic()
    subprocess.run([trl_python(), "-m", "benchmarks.trl_accuracy", given, scores], cwd=ROOT, check=True)
    found = figures(list(zip(json.loads(scores.read_text()), valid, strict=True)))
    return {"seconds": round(monotonic() - started)} | {name: found[name] for name in TOLD if name in found}


def trl_spec(
    policy: Path, train: Sequence[JudgedPrompt], valid: Sequence[JudgedPrompt], config: RewardConfig
) -> dict[str, object]:
    """Return what TRL is told: each comparison as a pair of whole sequences, in our number of steps."""
    pairs = [
        [one.prompt + one.completions[place] for place in comparison]
        for one in train
        for comparison in one.comparisons
    ]
    return {
        "policy": str(policy),
        "layers": config.layers,
        "pairs": pairs,
        "steps": len(batches(len(train), config.batch_size, config.epochs, config.seed)),
        "micro_batch": MICRO_BATCH_PAIRS,
        "held_out": [[one.prompt + completion for completion in one.completions] for one in valid],
    } | {name: getattr(config, name) for name in ("epochs", "lr", "lr_floor", "adam_beta2", "seed")}


def tell(line: dict[str, object]) -> None:
    print(json.dumps({"benchmark": "reward-accuracy", **line}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
