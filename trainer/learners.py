"""What PPO changes from step to step: two models, their optimizers, and the policy's average."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trainer import checkpoints
from trainer.config import PpoConfig
from trainer.optimizer import make_optimizer, optimizer_tensors, restore_optimizer
from trainer.policy import save_policy
from trainer.reward_model import RewardModel, freeze_but_last


@dataclass
class Learners:
    """ema holds the policy's averaged weights by name; it is empty where the decay is 0."""

    policy: PreTrainedModel
    value_model: RewardModel
    policy_optimizer: torch.optim.AdamW
    value_optimizer: torch.optim.AdamW
    ema: dict[str, Tensor]


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
    )


def _learning(model: torch.nn.Module) -> list[torch.nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


@torch.no_grad()
def average(learners: Learners, decay: float) -> None:
    """Move the average a step of 1 - decay towards the policy, after each of its updates (C.4)."""
    for name, parameter in learners.policy.named_parameters() if decay else []:
        learners.ema[name].lerp_(parameter, 1 - decay)


def save(partial: Path, learners: Learners, step: int) -> None:
    """Save all that the steps after this one depend on; the rest follows from a step's number."""
    tensors = checkpoints.parameter_tensors(learners.policy, "policy")
    tensors |= checkpoints.parameter_tensors(learners.value_model, "value_model")
    tensors |= optimizer_tensors(learners.policy_optimizer, "policy_optimizer")
    tensors |= optimizer_tensors(learners.value_optimizer, "value_optimizer")
    tensors |= {f"ema.{name}": tensor for name, tensor in learners.ema.items()}
    checkpoints.save_state(partial, tensors, {"step": step})


def restore(partial: Path, learners: Learners) -> int:
    """Put back the saved state; return its step, 0 where there is none."""
    state = checkpoints.load_state(partial)
    if state is None:
        return 0
    tensors, facts = state
    checkpoints.restore_parameters(learners.policy, tensors, "policy")
    checkpoints.restore_parameters(learners.value_model, tensors, "value_model")
    restore_optimizer(learners.policy_optimizer, tensors, "policy_optimizer")
    restore_optimizer(learners.value_optimizer, tensors, "value_optimizer")
    for name, tensor in learners.ema.items():
        tensor.copy_(tensors[f"ema.{name}"])
    return int(str(facts["step"]))


def export_policy(learners: Learners, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write the averaged weights, the ones the paper evaluates (C.4); the last ones without average."""
    if learners.ema:
        averaged = {f"ema.{name}": tensor for name, tensor in learners.ema.items()}
        checkpoints.restore_parameters(learners.policy, averaged, "ema")
    save_policy(learners.policy, tokenizer, folder)
