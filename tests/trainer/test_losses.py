"""Losses against numbers worked out by hand."""

import math

import pytest
import torch

from trainer.losses import policy_loss, reward_loss, token_loss, value_loss


def test_the_reward_loss_of_two_completions_is_minus_log_sigmoid() -> None:
    # sigma(2 - 1) = 0.731059, -log of it = 0.313262
    loss = reward_loss(torch.tensor([2.0, 1.0]), torch.tensor([[0, 1]]))
    assert loss.item() == pytest.approx(0.313262, abs=1e-6)


@pytest.mark.checklist(11)
def test_the_reward_loss_is_the_mean_over_all_comparisons_of_a_prompt() -> None:
    scores = torch.tensor([0.3, -1.0, 2.0, 0.0])
    comparisons = [(0, 1), (2, 0), (2, 1), (3, 1)]
    by_hand = [math.log1p(math.exp(-(scores[w] - scores[l]).item())) for w, l in comparisons]  # noqa: E741 (l is the rejected one)
    loss = reward_loss(scores, torch.tensor(comparisons))
    assert loss.item() == pytest.approx(sum(by_hand) / 4, abs=1e-6)


def test_the_reward_loss_does_not_see_a_shift() -> None:
    scores, comparisons = torch.tensor([1.0, 2.0, 4.0]), torch.tensor([[2, 0], [1, 0]])
    assert reward_loss(scores, comparisons) == reward_loss(scores + 8, comparisons)


@pytest.mark.checklist(13)
def test_a_tie_kept_pulls_two_scores_together_and_neither_way_when_they_are_equal() -> None:
    scores = torch.tensor([1.0, -1.0, 0.0, 0.0], requires_grad=True)
    none, ties = torch.empty(0, 2, dtype=torch.int64), torch.tensor([[0, 1], [2, 3]])
    loss = reward_loss(scores, none, ties)
    loss.backward()
    # Half of -log sigma(2) and of -log sigma(-2) is 1.126928; an equal pair costs log 2.
    assert loss.item() == pytest.approx((1.126928 + math.log(2)) / 2, abs=1e-6)
    assert scores.grad[0] > 0 > scores.grad[1] and scores.grad[2:].tolist() == [0, 0]


def test_the_token_loss_counts_completion_tokens_of_the_whole_batch() -> None:
    logprobs = torch.tensor([[-1.0, -2.0], [-3.0, -9.0]])
    mask = torch.tensor([[True, True], [True, False]])
    assert token_loss(logprobs, mask, 5).item() == pytest.approx(6 / 5)


@pytest.mark.checklist(33, 35)
def test_the_policy_loss_clips_only_what_would_pay() -> None:
    # Ratios 1/e and e. With advantage -1 the first is clipped to 0.8: max(0.368, 0.8) = 0.8.
    # With advantage +1 the second is clipped to 1.2: max(-2.718, -1.2) = -1.2.
    new, old = torch.tensor([[-1.0, 1.0, 50.0]]), torch.zeros(1, 3)
    advantages = torch.tensor([[-1.0, 1.0, 5.0]])
    mask = torch.tensor([[True, True, False]])
    loss = policy_loss(new, old, advantages, mask, cliprange=0.2, token_count=2)
    assert loss.item() == pytest.approx((0.8 - 1.2) / 2, abs=1e-6)


@pytest.mark.checklist(35)
def test_a_ratio_without_bounds_does_not_overflow() -> None:
    new = torch.tensor([[500.0]], requires_grad=True)
    mask = torch.ones(1, 1, dtype=torch.bool)
    loss = policy_loss(new, torch.zeros(1, 1), -torch.ones(1, 1), mask, cliprange=0.2, token_count=1)
    loss.backward()
    assert math.isfinite(loss.item()) and math.isfinite(new.grad.item())


def test_an_unclipped_policy_loss_has_the_gradient_of_the_advantage() -> None:
    new = torch.zeros(1, 2, requires_grad=True)
    mask = torch.ones(1, 2, dtype=torch.bool)
    policy_loss(new, torch.zeros(1, 2), torch.tensor([[2.0, -1.0]]), mask, 0.2, 2).backward()
    assert new.grad.tolist() == [[-1.0, 0.5]]


@pytest.mark.checklist(33, 36)
def test_the_value_loss_takes_the_worse_of_clipped_and_not() -> None:
    # Value 1, old 0, return 1: unclipped error 0, clipped to 0.2 it is 0.8^2 = 0.64.
    mask = torch.tensor([[True, False]])
    values, returns = torch.tensor([[1.0, 7.0]]), torch.tensor([[1.0, 0.0]])
    loss = value_loss(values, torch.zeros(1, 2), returns, mask, 0.2, token_count=1)
    assert loss.item() == pytest.approx(0.32, abs=1e-6)
