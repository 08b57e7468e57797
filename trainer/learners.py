"""What PPO changes from step to step: two models, their optimizers, and the policy's average."""

from dataclasses import dataclass, fields
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trainer import checkpoints, resume
from trainer.config import PpoConfig
from trainer.optimizer import make_optimizer
from trainer.policy import save_policy
from trainer.reward_model import RewardModel, freeze_but_last


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
    if config.trained_layers is not None:
        freeze_but_last(policy.base_model, config.trained_layers)
        freeze_but_last(value_model.backbone, config.trained_layers)
    betas = (config.adam_beta1, config.adam_beta2)
    named = policy.named_parameters() if config.ema_decay else []
    return Learners(
        policy,
        value_model,
        make_optimizer(_learning(policy), betas, config.adam_eps),
        make_optimizer(_learning(value_model), betas, config.adam_eps),
        {name: parameter.detach().clone() for name, parameter in named},
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
    for name, parameter in learners.policy.named_parameters() if decay else []:
        learners.ema[name].lerp_(parameter, 1 - decay)


def state(learners: Learners) -> dict[str, resume.Part]:
    """Return all that the steps to come depend on; the rest follows from a step's number."""
    return {field.name: getattr(learners, field.name) for field in fields(learners)}


def export_policy(learners: Learners, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write the averaged weights, the ones the paper evaluates (C.4); the last ones without average."""
    if learners.ema:
        averaged = {f"ema.{name}": tensor for name, tensor in learners.ema.items()}
        checkpoints.restore_parameters(learners.policy, averaged, "ema")
    save_policy(learners.policy, tokenizer, folder)
