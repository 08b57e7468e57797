"""The peer of reward_accuracy: TRL's RewardTrainer, the same comparisons and steps; in TRL's environment."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoModelForSequenceClassification, PreTrainedModel
from trl import RewardConfig, RewardTrainer

from benchmarks.trl_peer import COMMON, tokenizer_of


def trained(spec: dict[str, Any], folder: str) -> PreTrainedModel:
    """Return a reward model as TRL trains it, with our optimizer's numbers."""
    rows = [{"chosen_ids": chosen, "rejected_ids": rejected} for chosen, rejected in spec["pairs"]]
    batches = -(-len(rows) // spec["micro_batch"]) * spec["epochs"]
    numbers = {
        "max_steps": spec["steps"],
        "learning_rate": spec["lr"],
        "lr_scheduler_type": "cosine_with_min_lr",
        "lr_scheduler_kwargs": {"min_lr_rate": spec["lr_floor"]},
        "adam_beta2": spec["adam_beta2"],
        "weight_decay": 0.0,
        "seed": spec["seed"],
        "disable_tqdm": False,
    }
    arguments = RewardConfig(
        output_dir=folder,
        max_length=None,
        per_device_train_batch_size=spec["micro_batch"],
        gradient_accumulation_steps=-(-batches // spec["steps"]),
        **COMMON | numbers,
    )
    model = AutoModelForSequenceClassification.from_pretrained(
        spec["policy"], num_labels=1, num_hidden_layers=spec["layers"]
    )
    dataset, tokenizer = Dataset.from_list(rows), tokenizer_of(spec)
    RewardTrainer(model, arguments, train_dataset=dataset, processing_class=tokenizer).train()
    return model.eval()


@torch.no_grad()
def scores_of(model: PreTrainedModel, sequences: list[list[int]]) -> list[float]:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return [float(model(input_ids=torch.tensor([ids])).logits[0, 0]) for ids in sequences]


if __name__ == "__main__":
    given, out = map(Path, sys.argv[1:])
    spec = json.loads(given.read_text())
    torch.manual_seed(spec["seed"])
    with tempfile.TemporaryDirectory() as scratch:
        model = trained(spec, scratch)
    out.write_text(json.dumps([scores_of(model, sequences) for sequences in spec["held_out"]]))
