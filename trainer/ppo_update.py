"""PPO's update: one rollout's gradients, minibatch by minibatch, and pretraining text's beside them."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedModel

from trainer import many
from trainer.config import PpoConfig
from trainer.hardware import autocast
from trainer.learners import Learners, average
from trainer.losses import policy_loss, token_loss, value_loss
from trainer.optimizer import take_step, warmup_lr
from trainer.policy import completion_logprobs
from trainer.rollout import Minibatch, Rollout, plan_minibatches, take
from trainer.tokens import Batch, is_completion, micro_batches

Stats = dict[str, float]


class Targets(NamedTuple):
    """What the update aims at: whitened advantages and plain returns, both (B, C)."""

    advantages: Tensor
    returns: Tensor


def update(
    learners: Learners,
    rollout: Rollout,
    targets: Targets,
    plan: Sequence[Minibatch],
    ptx: Iterator[Batch],
    config: PpoConfig,
    step: int,
) -> Stats:
    """Learn from one rollout, in epochs x minibatches optimizer steps; return their mean stats.

    The first epoch follows the plan that the old logprobs were made by. Stops early once a minibatch
    moved the policy further than 1.5 target_kl.
    """
    stats: list[Stats] = []
    for epoch in range(config.epochs):
        for minibatch in plan if epoch == 0 else _plan_again(rollout, config, f"{step}/{epoch}"):
            stats.append(_update_minibatch(learners, rollout, targets, minibatch, ptx, config, step))
            if config.target_kl and stats[-1]["approx_kl"] > 1.5 * config.target_kl:
                return _mean(stats)
    return _mean(stats)


def _plan_again(rollout: Rollout, config: PpoConfig, name: str) -> list[Minibatch]:
    lengths = rollout.batch.lengths.tolist()
    return plan_minibatches(lengths, config.minibatches, config.micro_batch_tokens, f"{config.seed}/{name}")


def _update_minibatch(
    learners: Learners,
    rollout: Rollout,
    targets: Targets,
    minibatch: Minibatch,
    ptx: Iterator[Batch],
    config: PpoConfig,
    step: int,
) -> Stats:
    """Take one optimizer step with each of the two models; gradients of all micro-batches add up."""
    rows = [row for micro in minibatch for row in micro]
    token_count = int(rollout.is_completion[rows].sum())
    parts = [
        _accumulate(learners, rollout, targets, micro, token_count, weight, config)
        for micro, weight in many.shares(minibatch)
    ]
    stats = many.summed({name: sum(part[name] for part in parts) for name in parts[0]})
    stats["ratio_max"] = many.largest(max(part["ratio_max"] for part in parts))
    if config.ptx_coef:
        stats["ptx_loss"] = accumulate_ptx(learners.policy, next(ptx), config)
    policy_lr = warmup_lr(config.policy_lr, step, config.warmup_steps)
    value_lr = warmup_lr(config.value_lr, step, config.warmup_steps)
    stats["policy_grad_norm"] = take_step(learners.policy_optimizer, policy_lr, config.max_grad_norm)
    stats["value_grad_norm"] = take_step(learners.value_optimizer, value_lr, config.max_grad_norm)
    average(learners, config.ema_decay)
    return stats


def _accumulate(
    learners: Learners,
    rollout: Rollout,
    targets: Targets,
    rows: list[int],
    token_count: int,
    weight: float,
    config: PpoConfig,
) -> Stats:
    """Add one micro-batch's gradients, weight times; return its share of the minibatch's stats."""
    batch = take(rollout.batch, rows)
    mask = is_completion(batch)
    columns = mask.shape[1]
    old_logprobs = rollout.old_logprobs[rows, :columns]
    with autocast(config.dtype):
        logprobs, entropy = completion_logprobs(learners.policy, batch, config.temperature)
        values = learners.value_model.values(batch)
    for_policy = policy_loss(
        logprobs, old_logprobs, targets.advantages[rows, :columns], mask, config.cliprange, token_count
    )
    for_value = value_loss(
        values,
        rollout.values[rows, :columns],
        targets.returns[rows, :columns],
        mask,
        config.cliprange_value,
        token_count,
    )
    (weight * (for_policy + config.vf_coef * for_value)).backward()
    log_ratio = (logprobs.detach() - old_logprobs)[mask]
    stats = {
        "policy_loss": float(for_policy.detach()),
        "value_loss": float(for_value.detach()),
        "entropy": float(entropy.detach().sum()) / token_count,
        **_ratio_stats(log_ratio, config.cliprange, token_count),
    }
    return {name: weight * value for name, value in stats.items()}


def _ratio_stats(log_ratio: Tensor, cliprange: float, token_count: int) -> Stats:
    """Return stats of log(new / old) (N,), as shares that add up over a minibatch, but for ratio_max."""
    ratio = log_ratio.exp()
    return {
        "ratio_mean": float(ratio.sum()) / token_count,
        "ratio_max": float(ratio.max()),
        "clipfrac": float(((ratio - 1).abs() > cliprange).sum()) / token_count,
        # k3 (Schulman): unbiased like k1, never negative, and calm enough to decide on.
        "approx_kl": float((ratio - 1 - log_ratio).sum()) / token_count,
    }


def accumulate_ptx(policy: PreTrainedModel, batch: Batch, config: PpoConfig) -> float:
    """Add ptx_coef times the gradient of the mean loss a token on pretraining text; return the loss.

    Into the same buffers as PPO's gradient (C.4): with Adam a step of its own would lose its scale.
    """
    total = 0.0
    groups = micro_batches(batch.lengths.tolist(), config.micro_batch_tokens)
    for rows, weight in many.shares(groups):
        loss = weight * _ptx_loss(policy, batch, rows, config)
        (config.ptx_coef * loss).backward()
        total += float(loss.detach())
    return many.summed({"ptx_loss": total})["ptx_loss"]


@torch.no_grad()
def ptx_loss_of(policy: PreTrainedModel, batch: Batch, config: PpoConfig) -> float:
    """Return the mean loss a token on pretraining text, in nats: what alignment costs shows here."""
    groups = micro_batches(batch.lengths.tolist(), config.micro_batch_tokens)
    return sum(float(_ptx_loss(policy, batch, rows, config)) for rows in groups)


def _ptx_loss(policy: PreTrainedModel, batch: Batch, rows: list[int], config: PpoConfig) -> Tensor:
    """Return some rows' share of the batch's mean loss a token."""
    part = take(batch, rows)
    with autocast(config.dtype):
        logprobs, _ = completion_logprobs(policy, part)
    return token_loss(logprobs, is_completion(part), int(is_completion(batch).sum()))


def _mean(stats: Sequence[Stats]) -> Stats:
    mean = {name: sum(each[name] for each in stats) / len(stats) for name in stats[0]}
    return mean | {"ratio_max": max(each["ratio_max"] for each in stats), "updates": float(len(stats))}
