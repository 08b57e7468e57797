"""The training benchmarks: our stages' steps and a peer's, in turns, on the same token ids."""

import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from annotate.embedded import data_dir
from benchmarks.turns import ROOT, Program, in_turns

QA_FEEDBACK = Path(os.environ.get("QA_FEEDBACK", ROOT / "../shared/data/qa_feedback_train.rankings.jsonl"))
"""Rankings in the wire format, K = 4 on prompts of about 650 tokens."""
MICRO_BATCH_TOKENS = 2560
"""In memory at once, on both sides about as many."""
COMPLETION_TOKENS = 128
"""A completion's limit, where completions are drawn; most of them end before it."""
EPISODES = int(os.environ.get("BENCHMARK_EPISODES", "16"))
"""In a step of PPO, up to 32; an even number. At 32 both sides together take more than 24 GB: the peer 14."""
Line = dict[str, object]


def reward_k9_p64() -> Line:
    return against_trl("reward", k9(64), "rankings a second")


def reward_k9_p512() -> Line:
    return against_trl("reward", k9(512), "rankings a second")


def reward_k4_qa() -> Line:
    return against_trl("reward", qa_feedback(), "rankings a second")


def reward_matmul() -> Line:
    """Share of the machine's rate of bfloat16 matrix products, on four rankings of K = 9."""
    rankings = k9(64)["rankings"] * 4
    spec = {
        "rankings": rankings,
        "micro_batch_tokens": MICRO_BATCH_TOKENS,
        "count": "operations",
        "products": 160,
    }
    # As many products, and turns, as it takes for both to meet the machine's good and bad moments.
    return measured(("reward", "matrices"), spec, "billion operations a second", turns=7)


def sft() -> Line:
    draw = random.Random(0)
    demonstrations = [
        (tokens(draw, draw.randint(20, 300)), tokens(draw, draw.randint(20, 250))) for _ in range(16)
    ]
    spec = {"demonstrations": demonstrations, "micro_batch_tokens": MICRO_BATCH_TOKENS, "micro_batch": 8}
    return against_trl("sft", spec, "tokens a second")


def ppo() -> Line:
    return against_trl("ppo", episodes(), "episodes a second")


def sync() -> Line:
    """Share of a PPO step that bringing the weights to the engine and probing them takes.

    Of a step of 64 episodes, an eighth of the paper's 512: a sync takes as long whatever their number.
    """
    prompts = real_prompts(32) * 2
    spec = {"prompts": prompts, "completion_tokens": COMPLETION_TOKENS, "count": "syncing"}
    with program("ppo", written(spec)) as steps:
        steps.turn()
        turns = [steps.turn() for _ in range(3)]
    share = sum(turn["units"] for turn in turns) / sum(turn["seconds"] for turn in turns)
    limit = 0.03
    return {
        "ours": round(share, 4),
        "peer": limit,
        "ratio": round(share / limit, 3),
        "unit": f"share of a step of {len(prompts)} episodes",
        "peak_mb": max(turn["peak_mb"] for turn in turns),
        "load": max(turn["load"] for turn in turns),
    }


def sample_k9() -> Line:
    spec = {"k": 9, "prompts": real_prompts(16), "completion_tokens": COMPLETION_TOKENS}
    return measured(("sample", "generate"), spec, "tokens a second")


BENCHMARKS = {
    "reward-k9-p64": reward_k9_p64,
    "reward-k9-p512": reward_k9_p512,
    "reward-k4-qa": reward_k4_qa,
    "reward-matmul": reward_matmul,
    "sft": sft,
    "ppo": ppo,
    "sync": sync,
    "sample-k9": sample_k9,
}


def k9(prompt_tokens: int) -> dict[str, object]:
    """Return one ranking of nine completions of 128 tokens.

    A turn of the peer's is a third of its 36 comparisons, and counts as a third of a ranking.
    """
    draw = random.Random(prompt_tokens)
    ranking = (tokens(draw, prompt_tokens), [tokens(draw, 128) for _ in range(9)], list(range(1, 10)))
    return reward_spec([ranking], 12)


def qa_feedback() -> dict[str, object]:
    """Return two rankings without ties, six comparisons each."""
    from trainer.data import read_rankings
    from trainer.rankings import judged_prompts
    from trainer.tokens import load_tokenizer

    if not QA_FEEDBACK.exists():
        raise SystemExit(f"{QA_FEEDBACK} is not there: name a file of rankings in QA_FEEDBACK")
    rows = [row for row in read_rankings(QA_FEEDBACK)[:40] if len(set(row.ranks)) == len(row.ranks) == 4][:2]
    judged = judged_prompts(rows, load_tokenizer(policy()), 1024, 256)
    places = [sorted(range(4), key=lambda place, row=row: row.ranks[place]) for row in rows]
    rankings = [
        (one.prompt, [one.completions[place] for place in order], [1, 2, 3, 4])
        for one, order in zip(judged, places, strict=True)
    ]
    return reward_spec(rankings, 12)


def reward_spec(
    rankings: list[tuple[list[int], list[list[int]], list[int]]], pairs: int
) -> dict[str, object]:
    """Return what both sides read: rankings, best first, and the first of their comparisons as pairs."""
    compared = [
        (prompt + completions[i], prompt + completions[j])
        for prompt, completions, _ranks in rankings
        for i in range(len(completions))
        for j in range(i + 1, len(completions))
    ]
    longest = max(len(chosen) for chosen, _ in compared)
    fitting = [
        size for size in (6, 4, 3, 2, 1) if 2 * size * longest <= MICRO_BATCH_TOKENS and pairs % size == 0
    ]
    return {
        "rankings": rankings,
        "pairs": compared[:pairs],
        "pairs_units": len(rankings) * pairs / len(compared),
        "micro_batch": max(fitting, default=1),
        "micro_batch_tokens": MICRO_BATCH_TOKENS,
    }


def episodes() -> dict[str, object]:
    return {"prompts": real_prompts(EPISODES), "completion_tokens": COMPLETION_TOKENS}


def real_prompts(count: int) -> list[list[int]]:
    """Return prompts that the model answers as it was taught to, so that completions end where they end."""
    from trainer.tokens import encode_prompt, load_tokenizer

    tokenizer = load_tokenizer(policy())
    subjects = ("tea", "rain", "maps", "bees", "salt", "ships", "clay", "moss")
    asked = [
        f"{verb} {subject} in one or two sentences."
        for verbs in (("Explain", "Praise"), ("Describe", "Defend"))
        for subject in subjects
        for verb in verbs
    ]
    return [encode_prompt(tokenizer, [{"role": "user", "content": text}], 512) for text in asked[:count]]


def tokens(draw: random.Random, count: int) -> list[int]:
    """Return so many token ids of text, the last of them EOS."""
    return [*(draw.randrange(1000, 40000) for _ in range(count - 1)), 2]


def policy() -> Path:
    """Return the packaged small model's folder, made on first use."""
    folder = data_dir() / "benchmarks" / "policy"
    if not folder.exists():
        subprocess.run([sys.executable, "-m", "trainer", "prepare", "--out", folder], cwd=ROOT, check=True)
    return folder


def trl_python() -> str:
    """Return the interpreter of TRL's environment, made on first use."""
    folder = data_dir() / "benchmarks" / "trl"
    python = folder / "bin/python"
    if not (folder / "complete").exists():
        wanted = ROOT / "benchmarks/requirements-trl.txt"
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", wanted], check=True)
        (folder / "complete").touch()
    return str(python)


def against_trl(kind: str, spec: dict[str, object], unit: str) -> Line:
    path = written(spec)
    peer = Program(trl_python(), "benchmarks.trl_peer", kind, path)
    return in_turns(program(kind, path), peer, turns=2) | {"unit": unit}


def measured(kinds: tuple[str, str], spec: dict[str, object], unit: str, turns: int = 3) -> Line:
    path = written(spec)
    ours, peer = (program(kind, path) for kind in kinds)
    return in_turns(ours, peer, turns) | {"unit": unit}


def program(kind: str, spec: Path) -> Program:
    return Program(sys.executable, "benchmarks.learner", kind, spec)


def written(spec: dict[str, object]) -> Path:
    path = Path(tempfile.mkdtemp(prefix="podium-benchmark-")) / "spec.json"
    path.write_text(json.dumps(spec | {"policy": str(policy())}))
    return path
