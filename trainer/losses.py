"""Losses as pure functions of tensors.

A loss over a batch is a sum over its micro-batches: each divides by the count of the
whole optimizer batch, so the cut into micro-batches changes nothing.
"""

import torch
from torch.nn import functional

# Beyond this a probability ratio says only that something is wrong, and exp overflows.
MAX_LOG_RATIO = 20.0


def reward_loss(
    scores: torch.Tensor, comparisons: torch.Tensor, ties: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the mean loss of one prompt's comparisons (InstructGPT, equation 1).

    scores: (K,), one a completion; comparisons: (M, 2) int64, (chosen, rejected) indices. The paper drops
    ties; where they are kept, ties (T, 2) are pairs of which each completion is the better with
    probability one half. The batch's loss is the mean over prompts.
    """
    chosen, rejected = comparisons.unbind(1)
    losses = functional.softplus(scores.float()[rejected] - scores.float()[chosen])
    if ties is not None:
        margins = scores.float()[ties[:, 0]] - scores.float()[ties[:, 1]]
        even = (functional.softplus(margins) + functional.softplus(-margins)) / 2
        losses = torch.cat([losses, even])
    assert len(losses) > 0, "a prompt without a comparison has no loss"
    return losses.mean()


def token_loss(logprobs: torch.Tensor, is_completion: torch.Tensor, token_count: int) -> torch.Tensor:
    """Return the negative log likelihood a token: the loss of SFT and of ptx.

    logprobs, is_completion: (B, C); token_count: tokens in the whole optimizer batch.
    """
    return -(logprobs * is_completion).sum() / token_count


def policy_loss(
    logprobs: torch.Tensor,
    old_logprobs: torch.Tensor,
    advantages: torch.Tensor,
    is_completion: torch.Tensor,
    cliprange: float,
    token_count: int,
) -> torch.Tensor:
    """Return PPO's clipped policy loss, all of shape (B, C) (Schulman 2017, equation 7)."""
    log_ratio = torch.where(is_completion, logprobs - old_logprobs, 0.0)
    ratio = log_ratio.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp()
    clipped = ratio.clamp(1 - cliprange, 1 + cliprange)
    worse = torch.maximum(-advantages * ratio, -advantages * clipped)
    return (worse * is_completion).sum() / token_count


def value_loss(
    values: torch.Tensor,
    old_values: torch.Tensor,
    returns: torch.Tensor,
    is_completion: torch.Tensor,
    cliprange_value: float,
    token_count: int,
) -> torch.Tensor:
    """Return PPO's clipped value loss, all of shape (B, C), halved as OpenAI's code does."""
    clipped = torch.clamp(values, old_values - cliprange_value, old_values + cliprange_value)
    worse = torch.maximum((values - returns) ** 2, (clipped - returns) ** 2)
    return 0.5 * (worse * is_completion).sum() / token_count
