"""Rewards and advantages against numbers worked out by hand and a ten-line reference."""

import pytest
import torch
from torch import Tensor

from trainer.advantages import (
    advantages_and_returns,
    explained_variance,
    kl_per_token,
    token_rewards,
    whiten,
)

MASK = torch.tensor([[True, True, True], [True, True, False]])


def reference_gae(rewards: list[float], values: list[float], gamma: float, lam: float) -> list[float]:
    """Return sum over l of (gamma lam)^l delta_{t+l}, straight from the paper's equation 16."""
    following = [*values[1:], 0.0]
    deltas = [r + gamma * n - v for r, v, n in zip(rewards, values, following, strict=True)]
    return [
        sum((gamma * lam) ** l * delta for l, delta in enumerate(deltas[t:]))  # noqa: E741 (as in the paper)
        for t in range(len(deltas))
    ]


def some(seed: int) -> Tensor:
    return torch.randn(2, 3, generator=torch.Generator().manual_seed(seed)) * MASK


@pytest.mark.checklist(25)
def test_rewards_of_a_completion_sum_to_its_score_less_its_kl() -> None:
    kl = kl_per_token(some(1), some(2), MASK)
    rewards = token_rewards(torch.tensor([1.5, -2.0]), kl, MASK, kl_coef=0.1)
    assert torch.allclose(rewards.sum(1), torch.tensor([1.5, -2.0]) - 0.1 * kl.sum(1))


@pytest.mark.checklist(25)
def test_the_score_stands_at_the_last_token() -> None:
    rewards = token_rewards(torch.tensor([1.5, -2.0]), torch.zeros(2, 3), MASK, kl_coef=0.1)
    assert rewards.tolist() == [[0, 0, 1.5], [0, -2, 0]]


@pytest.mark.checklist(26)
def test_a_negative_kl_estimate_is_kept() -> None:
    kl = kl_per_token(torch.tensor([[-2.0]]), torch.tensor([[-1.0]]), torch.tensor([[True]]))
    assert kl.item() == -1


@pytest.mark.checklist(31)
@pytest.mark.parametrize(("gamma", "lam"), [(1.0, 0.95), (0.9, 0.5), (1.0, 0.0)])
def test_advantages_are_those_of_the_paper(gamma: float, lam: float) -> None:
    rewards, values = some(1), some(2)
    advantages, _ = advantages_and_returns(rewards, values, MASK, gamma, lam)
    first = reference_gae(rewards[0].tolist(), values[0].tolist(), gamma, lam)
    second = reference_gae(rewards[1, :2].tolist(), values[1, :2].tolist(), gamma, lam)
    assert torch.allclose(advantages, torch.tensor([first, [*second, 0.0]]), atol=1e-6)


@pytest.mark.checklist(31, 32)
def test_with_lambda_one_an_advantage_is_the_rewards_to_come_less_the_value() -> None:
    rewards, values = some(1), some(2)
    advantages, returns = advantages_and_returns(rewards, values, MASK, 1.0, 1.0)
    to_come = rewards.flip(1).cumsum(1).flip(1)
    assert torch.allclose(advantages, (to_come - values) * MASK, atol=1e-6)
    assert torch.allclose(returns * MASK, to_come * MASK, atol=1e-6)


@pytest.mark.checklist(31)
def test_padding_changes_nothing() -> None:
    rewards, values = some(1), some(2)
    wide = [torch.nn.functional.pad(each, (0, 2), value=0) for each in (rewards, values, MASK)]
    narrow, _ = advantages_and_returns(rewards, values, MASK, 1.0, 0.95)
    padded, _ = advantages_and_returns(*wide, 1.0, 0.95)
    assert torch.equal(padded[:, :3], narrow)


@pytest.mark.checklist(33)
def test_what_stands_in_padding_is_not_read() -> None:
    rewards, values = some(1), some(2)
    clean, _ = advantages_and_returns(rewards, values, MASK, 1.0, 0.95)
    rewards[1, 2] = values[1, 2] = 99.0
    dirty, _ = advantages_and_returns(rewards, values, MASK, 1.0, 0.95)
    assert torch.equal(clean, dirty)


@pytest.mark.checklist(32)
def test_whitening_looks_at_completion_tokens_only() -> None:
    values = some(1)
    values[1, 2] = 1000.0
    white = whiten(values, MASK)
    assert white[MASK].mean().item() == pytest.approx(0, abs=1e-6)
    assert white[MASK].var(correction=0).item() == pytest.approx(1, abs=1e-5)
    assert white[1, 2] == 0


@pytest.mark.checklist(30)
def test_whitening_can_keep_the_mean() -> None:
    values = some(1) + 3.0
    assert whiten(values, MASK, shift_mean=False)[MASK].mean() == pytest.approx(float(values[MASK].mean()))


def test_perfect_values_explain_all_the_variance() -> None:
    assert explained_variance(some(1), some(1), MASK) == pytest.approx(1)
    assert explained_variance(torch.zeros(2, 3), some(1), MASK) == pytest.approx(0, abs=1e-6)
