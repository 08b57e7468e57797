"""Per-token rewards and advantages as pure functions of tensors.

Everything is (B, C): column j belongs to a row's j-th completion token, and is_completion is True where
there is one. Padding holds 0 and carries nothing.
"""

import torch
from torch import Tensor

MIN_VARIANCE = 1e-8


def kl_per_token(logprobs: Tensor, ref_logprobs: Tensor, is_completion: Tensor) -> Tensor:
    """Return (B, C) log(policy / reference) of the tokens drawn: k1, unbiased, so never clamped at 0."""
    return torch.where(is_completion, logprobs - ref_logprobs, 0.0)


def importance_weights(
    logprobs: Tensor, engine_logprobs: Tensor, is_completion: Tensor, cap: float
) -> Tensor:
    """Return (B, C) policy / engine probability of the tokens drawn, at most cap, 0 in padding.

    An engine that rounds otherwise samples from another distribution; an expectation under the policy
    needs these weights, and truncation bounds their variance (Ionides 2008).
    """
    log_ratio = torch.where(is_completion, logprobs - engine_logprobs, 0.0)
    return log_ratio.exp().clamp(max=cap) * is_completion


def token_rewards(scores: Tensor, kl: Tensor, is_completion: Tensor, kl_coef: float) -> Tensor:
    """Return (B, C) rewards: -kl_coef * kl at each token, and the score (B,) at the last one.

    Their sum over a row is score - kl_coef * sum(kl) (InstructGPT, equation 2, without the ptx term).
    """
    lengths = is_completion.sum(1)
    assert int(lengths.min()) > 0, "a completion without tokens has no place for its score"
    rewards = -kl_coef * kl
    rows = torch.arange(len(scores), device=scores.device)
    rewards[rows, lengths - 1] += scores
    return rewards


def advantages_and_returns(
    rewards: Tensor, values: Tensor, is_completion: Tensor, gamma: float, lam: float
) -> tuple[Tensor, Tensor]:
    """Return (advantages, returns), both (B, C), by generalised advantage estimation (Schulman 2015).

    The value after the last token is 0. Returns are advantages + values, before any whitening.
    """
    mask = is_completion.to(values.dtype)
    values = values * mask
    advantages = torch.zeros_like(values)
    following = following_value = torch.zeros_like(values[:, 0])
    for column in reversed(range(values.shape[1])):
        delta = rewards[:, column] + gamma * following_value - values[:, column]
        following = (delta + gamma * lam * following) * mask[:, column]
        following_value = values[:, column]
        advantages[:, column] = following
    return advantages, advantages + values


def whiten(values: Tensor, is_completion: Tensor, *, shift_mean: bool = True) -> Tensor:
    """Return values with unit variance over all completion tokens, and mean 0 where shift_mean."""
    chosen = values[is_completion]
    mean = chosen.mean()
    scaled = (values - mean) * torch.rsqrt(chosen.var(correction=0) + MIN_VARIANCE)
    if not shift_mean:
        scaled = scaled + mean
    return torch.where(is_completion, scaled, 0.0)


def explained_variance(values: Tensor, returns: Tensor, is_completion: Tensor) -> float:
    """Return the share of the returns' variance that the values foresaw: 1 is all, below 0 is harm."""
    target = returns[is_completion]
    variance = target.var(correction=0)
    if variance < MIN_VARIANCE:
        return 0.0
    return float(1 - (target - values[is_completion]).var(correction=0) / variance)
