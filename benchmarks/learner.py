"""Our side of the training benchmarks: the stages' own steps, a turn for each."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from benchmarks.turn_taking import take_turns
from trainer.config import PpoConfig, RewardConfig, SftConfig
from trainer.data import Prompt
from trainer.engine import Request, Sampling, start_engine
from trainer.memory import keep_memory
from trainer.metrics import MetricsLog
from trainer.policy import load_policy
from trainer.ppo import Ppo, start, step
from trainer.ppo_inputs import Inputs, load_models, pack_models
from trainer.probe import Probe
from trainer.rankings import JudgedPrompt, comparisons_of
from trainer.reward import Learner as RewardLearner
from trainer.reward_model import new_reward_model, save_reward_model
from trainer.sft import Learner as SftLearner
from trainer.tokens import load_tokenizer

MATRIX = 2048


def reward(spec: dict[str, Any], folder: Path) -> None:
    """A turn is one optimizer step on spec's rankings; its units are rankings, or billions of operations."""
    config = RewardConfig(dtype="bfloat16", lr=1e-6, micro_batch_tokens=spec["micro_batch_tokens"])
    policy = Path(spec["policy"])
    judged = [
        JudgedPrompt(prompt, completions, comparisons_of(ranks, range(len(ranks))))
        for prompt, completions, ranks in spec["rankings"]
    ]
    model = new_reward_model(policy, 0)
    learner = RewardLearner(config, model, load_tokenizer(policy), judged, [], folder)
    units = operations(model, judged) / 1e9 if spec.get("count") == "operations" else len(judged)

    def turn() -> float:
        learner.step(1, judged)
        return units

    take_turns(turn)


def operations(model: torch.nn.Module, judged: list[JudgedPrompt]) -> float:
    """Return the operations of the matrix products that one step needs, nothing counted twice.

    Forwards 2 a weight and token, backwards 4; attention 4 a query, key and dimension, backwards 8.
    """
    config = model.backbone.config
    weights = sum(
        layer.weight.numel() for layer in model.backbone.modules() if isinstance(layer, torch.nn.Linear)
    )
    tokens = sum(one.shared_tokens for one in judged)
    seen = sum(
        len(one.prompt) ** 2 / 2 + sum(len(c) * (len(one.prompt) + len(c) / 2) for c in one.completions)
        for one in judged
    )
    return 6 * weights * tokens + 12 * seen * config.hidden_size * config.num_hidden_layers


def matrices(spec: dict[str, Any], folder: Path) -> None:
    """A turn is a second or so of bfloat16 matrix products; its units are billions of operations."""
    one, other = (torch.randn(MATRIX, MATRIX).bfloat16() for _ in range(2))

    def turn() -> float:
        for _ in range(spec["products"]):
            torch.mm(one, other)
        return 2 * MATRIX**3 * spec["products"] / 1e9

    take_turns(turn)


def sft(spec: dict[str, Any], folder: Path) -> None:
    """A turn is one optimizer step on spec's demonstrations; its units are their tokens."""
    config = SftConfig(
        dtype="bfloat16", lr=1e-6, residual_dropout=0, micro_batch_tokens=spec["micro_batch_tokens"]
    )
    policy = Path(spec["policy"])
    batch = [(prompt, completion) for prompt, completion in spec["demonstrations"]]
    learner = SftLearner(config, load_policy(policy), load_tokenizer(policy), batch, [], [], folder, None)

    def turn() -> float:
        learner.step(1, batch)
        return sum(len(prompt) + len(completion) for prompt, completion in batch)

    take_turns(turn)


def ppo(spec: dict[str, Any], folder: Path) -> None:
    """A turn is one step of PPO; its units are episodes. Told so, it prints the share that syncing took."""
    policy, judge = Path(spec["policy"]), folder / "reward_model"
    tokenizer = load_tokenizer(policy)
    judge.mkdir()
    save_reward_model(new_reward_model(policy, 0), tokenizer, judge)
    (judge / "podium.json").write_text('{"kind": "reward_model"}')
    config = PpoConfig(
        dtype="bfloat16",
        engine_dtype="bfloat16",
        batch_size=len(spec["prompts"]),
        minibatches=2,
        ptx_coef=0,
        policy_lr=1e-6,
        value_lr=1e-6,
        max_completion_tokens=spec["completion_tokens"],
        max_prompt_tokens=max(map(len, spec["prompts"])),
        valid_every=10**6,
    )
    learners, models = load_models(policy, judge, config)
    pack_models(models, spec["prompts"], config)
    asked = [
        Prompt(str(place), ({"role": "user", "content": ""},), None) for place in range(len(spec["prompts"]))
    ]
    inputs = Inputs(asked, spec["prompts"], [], [], [], [])
    with start(learners, tokenizer, folder / "engine", config) as engine:
        probe = Probe(spec["prompts"], len(tokenizer), config.temperature)
        logs = [MetricsLog(folder / name, 0) for name in ("samples.jsonl", "valid_samples.jsonl")]
        run = Ppo(config, tokenizer, inputs, models, learners, engine, probe, *logs)
        number = 0

        def turn() -> float:
            nonlocal number
            number += 1
            stats, _rollout, _completions = step(run, number, is_first=number == 1)
            if spec.get("count") == "syncing":
                return stats["seconds_syncing"]
            return config.batch_size

        take_turns(turn)


def sample(spec: dict[str, Any], folder: Path) -> None:
    """A turn is K completions of each of spec's prompts; its units are their tokens."""
    room = max(map(len, spec["prompts"])) + spec["completion_tokens"]
    number = 0
    with start_engine(Path(spec["policy"]), dtype="bfloat16", max_model_len=room) as engine:

        def turn() -> float:
            nonlocal number
            number += spec["k"]
            seeds = list(range(number, number + spec["k"]))
            requests = [Request(prompt, seeds) for prompt in spec["prompts"]]
            drawn = engine.sample(requests, Sampling(spec["completion_tokens"]))
            return sum(len(completion.token_ids) for completion in drawn)

        take_turns(turn)


def generate(spec: dict[str, Any], folder: Path) -> None:
    """The peer of sampling: transformers' generate, all prompts in one batch, which is its best here."""
    policy = load_policy(Path(spec["policy"])).bfloat16()
    tokenizer = load_tokenizer(Path(spec["policy"]))
    tokenizer.padding_side = "left"
    asked = tokenizer.pad({"input_ids": spec["prompts"]}, return_tensors="pt")

    def turn() -> float:
        rows = policy.generate(
            **asked,
            do_sample=True,
            temperature=1.0,
            top_k=0,
            num_return_sequences=spec["k"],
            max_new_tokens=spec["completion_tokens"],
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
        drawn = rows[:, asked["input_ids"].shape[1] :]
        return int((drawn != tokenizer.pad_token_id).sum())

    take_turns(turn)


if __name__ == "__main__":
    kinds = {function.__name__: function for function in (reward, matrices, sft, ppo, sample, generate)}
    keep_memory()
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as scratch:
        kinds[sys.argv[1]](json.loads(Path(sys.argv[2]).read_text()), Path(scratch))
