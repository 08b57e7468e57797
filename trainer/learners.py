"""What PPO changes from step to step: two models, their optimizers, and the policy's average."""

from dataclasses import dataclass, fields
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trainer import many, resume
from trainer.config import PpoConfig
from trainer.optimizer import make_optimizer
from trainer.policy import save_policy
from trainer.reward_model import RewardModel, shard
from trainer.what_learns import choose_what_learns


@dataclass
class Learners:
    """ema holds the policy's averaged weights by name; it is empty where the decay is 0.

    steering holds kl_coef, which may adapt, and first_length, the mean length at the first step, 0 before it.
    """

    policy: PreTrainedModel
    value_model: RewardModel
    policy_optimizer: torch.optim.AdamW
    value_optimizer: torch.optim.AdamW
    ema: dict[str, Tensor]
    steering: dict[str, Tensor]


def make_learners(policy: PreTrainedModel, value_model: RewardModel, config: PpoConfig) -> Learners:
    """Return the learners with fresh optimizers, the average begun at the policy's weights."""
    torch.manual_seed(config.seed)  # new adapters are the same ones in every process
    # With adapters nothing else learns, an output layer of the policy's own least of all.
    policy.requires_grad_(not config.lora_rank)
    for backbone in (policy.base_model, value_model.backbone):
        choose_what_learns(
            backbone,
            trained_layers=config.trained_layers,
            lora_rank=config.lora_rank,
            gradient_checkpointing=config.gradient_checkpointing,
        )
    many.shard(policy)
    shard(value_model)
    betas = (config.adam_beta1, config.adam_beta2)
    averaged = [(name, p) for name, p in policy.named_parameters() if p.requires_grad and config.ema_decay]
    return Learners(
        policy,
        value_model,
        make_optimizer(_learning(policy), betas, config.adam_eps),
        make_optimizer(_learning(value_model), betas, config.adam_eps),
        {name: parameter.detach().clone() for name, parameter in averaged},
        {
            "kl_coef": torch.tensor(config.kl_coef, dtype=torch.float64),
            "first_length": torch.tensor(0.0, dtype=torch.float64),
        },
    )


def _learning(model: torch.nn.Module) -> list[torch.nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


@torch.no_grad()
def average(learners: Learners, decay: float) -> None:
    """Move the average a step of 1 - decay towards the policy, after each of its updates (C.4)."""
    learning = dict(learners.policy.named_parameters())
    for name, averaged in learners.ema.items():
        averaged.lerp_(learning[name], 1 - decay)


def state(learners: Learners) -> dict[str, resume.Part]:
    """Return all that the steps to come depend on; the rest follows from a step's number."""
    return {field.name: getattr(learners, field.name) for field in fields(learners)}


def export_policy(learners: Learners, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write the averaged weights, the ones the paper evaluates (C.4); the last ones without average."""
    learning = dict(learners.policy.named_parameters())
    with torch.no_grad():
        for name, averaged in learners.ema.items():
            learning[name].copy_(averaged)
    save_policy(learners.policy, tokenizer, folder)
