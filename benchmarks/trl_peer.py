"""The peer: TRL's trainers on the same token ids as ours, a turn for each step; in TRL's environment."""

import json
import os
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"

import torch
from datasets import Dataset
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedTokenizerBase,
    TrainerCallback,
)
from trl import RewardConfig, RewardTrainer, SFTConfig, SFTTrainer

from benchmarks.turn_taking import answer, wait_for_turn

# What every trainer is told: the fastest that it can do here.
COMMON: dict[str, Any] = {
    "use_cpu": True,
    "bf16": True,
    "gradient_checkpointing": False,
    "learning_rate": 1e-6,
    "max_steps": 1000,
    "logging_strategy": "no",
    "save_strategy": "no",
    "report_to": [],
    "disable_tqdm": True,
}


class Turns(TrainerCallback):
    """Stops before each optimizer step until it is told to go on, and answers after it."""

    def __init__(self, units: float) -> None:
        self.units, self.started = units, 0.0

    def on_step_begin(self, args: Any, state: Any, control: Any, **_more: Any) -> None:
        if not wait_for_turn():
            os._exit(0)
        self.started = perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **_more: Any) -> None:
        answer(self.units, perf_counter() - self.started)


class PpoTurns(Turns):
    """The same for PPO's trainer, which tells only of a step's end."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        self.on_step_begin(args, state, control, **more)

    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        super().on_step_end(args, state, control, **more)
        self.on_step_begin(args, state, control, **more)


def reward(spec: dict[str, Any], folder: str) -> None:
    """A turn is spec's pairs; its units are the share of a ranking that they are."""
    rows = [{"chosen_ids": chosen, "rejected_ids": rejected} for chosen, rejected in spec["pairs"]]
    arguments = RewardConfig(
        output_dir=folder,
        max_length=None,
        per_device_train_batch_size=spec["micro_batch"],
        gradient_accumulation_steps=len(rows) // spec["micro_batch"],
        **COMMON,
    )
    model = AutoModelForSequenceClassification.from_pretrained(spec["policy"], num_labels=1)
    RewardTrainer(
        model,
        arguments,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer_of(spec),
        callbacks=[Turns(spec["pairs_units"])],
    ).train()


def sft(spec: dict[str, Any], folder: str) -> None:
    """A turn is one batch of demonstrations; its units are their tokens."""
    rows = [
        {"input_ids": prompt + completion, "completion_mask": [0] * len(prompt) + [1] * len(completion)}
        for prompt, completion in spec["demonstrations"]
    ]
    arguments = SFTConfig(
        output_dir=folder,
        max_length=None,
        completion_only_loss=True,
        per_device_train_batch_size=spec["micro_batch"],
        gradient_accumulation_steps=len(rows) // spec["micro_batch"],
        **COMMON,
    )
    SFTTrainer(
        AutoModelForCausalLM.from_pretrained(spec["policy"]),
        arguments,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer_of(spec),
        callbacks=[Turns(sum(len(row["input_ids"]) for row in rows))],
    ).train()


def ppo(spec: dict[str, Any], folder: str) -> None:
    """A turn is one step of PPO; its units are episodes."""
    from trl.experimental.ppo import PPOConfig, PPOTrainer

    episodes, tokenizer = len(spec["prompts"]), tokenizer_of(spec, padding_side="left")
    # A pad token that ends nothing; else no completion would seem to have an end.
    tokenizer.pad_token_id = 0
    arguments = PPOConfig(
        output_dir=folder,
        total_episodes=1000 * episodes,
        # All episodes on one device and no accumulation: else its two minibatches would make one update.
        per_device_train_batch_size=episodes,
        gradient_accumulation_steps=1,
        num_mini_batches=2,
        num_ppo_epochs=1,
        local_rollout_forward_batch_size=episodes,
        num_sample_generations=0,
        response_length=spec["completion_tokens"],
        stop_token_id=tokenizer.eos_token_id,
        temperature=1.0,
        **{name: value for name, value in COMMON.items() if name != "max_steps"},
    )
    scorers = [AutoModelForSequenceClassification.from_pretrained(spec["policy"], num_labels=1) for _ in "rv"]
    policies = [AutoModelForCausalLM.from_pretrained(spec["policy"]) for _ in "pr"]
    rows = Dataset.from_list([{"input_ids": prompt} for prompt in spec["prompts"]])
    PPOTrainer(
        arguments,
        tokenizer,
        *policies,
        reward_model=scorers[0],
        value_model=scorers[1],
        train_dataset=rows,
        eval_dataset=rows,
        callbacks=[PpoTurns(episodes)],
    ).train()


def tokenizer_of(spec: dict[str, Any], **more: Any) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(spec["policy"], **more)


if __name__ == "__main__":
    kind, path = sys.argv[1:]
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as scratch:
        {"reward": reward, "sft": sft, "ppo": ppo}[kind](json.loads(Path(path).read_text()), scratch)
