"""One update: exact ratios, gradients that add up, an average that follows."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from trainer import ppo_update
from trainer.config import PpoConfig
from trainer.engine import Sampled
from trainer.learners import Learners, export_policy, make_learners
from trainer.policy import load_policy
from trainer.ppo_update import Targets, accumulate_ptx, update
from trainer.reward_model import load_reward_model
from trainer.rollout import Minibatch, Models, Rollout, make_rollout, plan_minibatches
from trainer.tokens import Batch, collate, load_tokenizer

PROMPTS = [list(range(40, 40 + length)) for length in (5, 9, 3, 14)]
COMPLETIONS = [[70, 71, 1], [80, 81, 82, 83, 84], [90, 1], [100, 101, 102, 1]]
CONFIG = PpoConfig(
    minibatches=1, micro_batch_tokens=64, ptx_coef=0.0, warmup_steps=0, policy_lr=1e-3, value_lr=1e-3
)
TEXT = collate([([50], [51, 52, 53]), ([60], [61, 62])], 0)


@pytest.fixture
def learners(tiny_policy: Path, tiny_reward_model: Path) -> Learners:
    return make_learners(load_policy(tiny_policy), load_reward_model(tiny_reward_model), CONFIG)


def roll(learners: Learners, dtype: str = "float32", minibatches: int = 1) -> tuple[Rollout, list[Minibatch]]:
    drawn = [
        Sampled(row, 0, row, ids, [0.0] * len(ids), "stop" if ids[-1] == 1 else "length")
        for row, ids in enumerate(COMPLETIONS)
    ]
    lengths = [len(p) + len(c) for p, c in zip(PROMPTS, COMPLETIONS, strict=True)]
    plan = plan_minibatches(lengths, minibatches, 64, "seed")
    policy, value = learners.policy, learners.value_model
    models = Models(policy, policy, value, value)
    kept = {"pad_id": 0, "temperature": 1.0, "missing_eos_score": -1.0, "dtype": dtype}
    return make_rollout(models, PROMPTS, drawn, plan, **kept), plan


def targets(rollout: Rollout) -> Targets:
    noise = torch.randn(rollout.values.shape, generator=torch.Generator().manual_seed(0))
    return Targets(noise * rollout.is_completion, rollout.values + 1)


def learn(learners: Learners, texts: list[Batch], **changes: object) -> dict[str, float]:
    config = CONFIG.model_copy(update=changes)
    rollout, plan = roll(learners, config.dtype, config.minibatches)
    return update(learners, rollout, targets(rollout), plan, iter(texts), config, step=1)


def weights(policy: PreTrainedModel) -> Tensor:
    return torch.cat([parameter.detach().flatten().clone() for parameter in policy.parameters()])


def gradient(policy: PreTrainedModel) -> Tensor:
    return torch.cat([parameter.grad.flatten() for parameter in policy.parameters()])


@pytest.mark.checklist(23)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_first_ratio_is_one(learners: Learners, dtype: str) -> None:
    # At this rate no weight changes, so the second minibatch too must find the logprobs it was made with:
    # in bfloat16 that holds only for the same micro-batches.
    stats = learn(learners, [], dtype=dtype, minibatches=2, policy_lr=1e-12)
    assert stats["ratio_mean"] == pytest.approx(1, abs=1e-6)
    assert stats["ratio_max"] == pytest.approx(1, abs=1e-6)
    assert stats["clipfrac"] == 0


def test_the_update_does_what_the_advantages_say(learners: Learners) -> None:
    rollout, plan = roll(learners)
    aims = targets(rollout)
    update(learners, rollout, aims, plan, iter([]), CONFIG, step=1)
    after, _ = roll(learners)
    moved = (after.old_logprobs - rollout.old_logprobs)[rollout.is_completion]
    wanted = aims.advantages[rollout.is_completion]
    assert moved[wanted > 0].mean() > 0 > moved[wanted < 0].mean()
    error = (rollout.values - aims.returns).abs()[rollout.is_completion].mean()
    assert (after.values - aims.returns).abs()[rollout.is_completion].mean() < error


@pytest.mark.checklist(35, 37)
def test_micro_batches_add_up_to_the_same_update(learners: Learners, tiny_policy: Path) -> None:
    rollout, plan = roll(learners)
    start = {name: parameter.detach().clone() for name, parameter in learners.policy.named_parameters()}
    grads = []
    for cut in (plan, [[[0, 1, 2, 3]]], [[[0], [1], [2], [3]]]):
        learners.policy.load_state_dict(start, strict=False)
        fresh = make_learners(learners.policy, learners.value_model, CONFIG)
        grads.append(update(fresh, rollout, targets(rollout), cut, iter([]), CONFIG, 1)["policy_grad_norm"])
    assert grads == pytest.approx([grads[0]] * 3, rel=1e-5)


@pytest.mark.checklist(39)
def test_the_ptx_gradient_is_added_to_ppos(learners: Learners, monkeypatch: pytest.MonkeyPatch) -> None:
    # take_step is held back, so that the gradients can be looked at.
    monkeypatch.setattr("trainer.ppo_update.take_step", lambda *_: 0.0)
    config = CONFIG.model_copy(update={"ptx_coef": 27.8})
    found = []
    for part in ("ppo", "ptx", "both"):
        learners.policy.zero_grad()
        if part == "ptx":
            accumulate_ptx(learners.policy, TEXT, config)
        else:
            learn(learners, [TEXT], ptx_coef=27.8 if part == "both" else 0.0)
        found.append(gradient(learners.policy))
    assert torch.allclose(found[2], found[0] + found[1], atol=1e-5)
    learners.policy.zero_grad()
    accumulate_ptx(learners.policy, TEXT, config.model_copy(update={"ptx_coef": 1.0}))
    assert torch.allclose(found[1], 27.8 * gradient(learners.policy), atol=1e-5)


@pytest.mark.checklist(39)
def test_without_its_coefficient_pretraining_text_is_not_read(
    learners: Learners, tiny_policy: Path, tiny_reward_model: Path
) -> None:
    texts, (rollout, plan) = iter([TEXT]), roll(learners)
    update(learners, rollout, targets(rollout), plan, texts, CONFIG, 1)
    assert next(texts) is TEXT
    other = make_learners(load_policy(tiny_policy), load_reward_model(tiny_reward_model), CONFIG)
    update(other, rollout, targets(rollout), plan, iter([]), CONFIG, 1)
    assert torch.equal(weights(other.policy), weights(learners.policy))


@pytest.mark.checklist(40)
def test_what_is_saved_is_the_average(learners: Learners, tiny_policy: Path, tmp_path: Path) -> None:
    learn(learners, [], ema_decay=0.75)
    average, last = dict(learners.ema), weights(learners.policy)
    export_policy(learners, load_tokenizer(tiny_policy), tmp_path)
    saved = load_policy(tmp_path)
    assert all(torch.equal(average[name], parameter) for name, parameter in saved.named_parameters())
    assert not torch.equal(weights(saved), last)


@pytest.mark.checklist(37)
def test_each_epoch_cuts_the_rollout_anew(learners: Learners, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(ppo_update, "_update_minibatch", lambda *a: seen.append(a[3]) or {"ratio_max": 1.0})
    rollout, plan = roll(learners, minibatches=2)
    config = CONFIG.model_copy(update={"epochs": 6, "minibatches": 2})
    update(learners, rollout, targets(rollout), plan, iter([]), config, 1)
    rows = [sorted(row for micro in minibatch for row in micro) for minibatch in seen]
    epochs = list(zip(rows[::2], rows[1::2], strict=True))
    assert seen[:2] == plan and all(sorted(first + second) == [0, 1, 2, 3] for first, second in epochs)
    assert len({tuple(first) for first, _ in epochs}) > 1


def test_ptx_lowers_the_loss_on_pretraining_text(learners: Learners) -> None:
    losses = [learn(learners, [TEXT], ptx_coef=27.8)["ptx_loss"] for _ in range(4)]
    assert losses[-1] < losses[0]


@pytest.mark.checklist(40)
def test_the_average_follows_each_update(learners: Learners) -> None:
    before = weights(learners.policy)
    learn(learners, [], ema_decay=0.75)
    average = torch.cat([tensor.flatten() for tensor in learners.ema.values()])
    assert torch.allclose(average, 0.75 * before + 0.25 * weights(learners.policy), atol=1e-6)
    assert not torch.equal(average, before)


@pytest.mark.checklist(41)
def test_it_leaves_a_batch_once_an_update_moved_too_far(learners: Learners) -> None:
    assert learn(learners, [], epochs=4)["updates"] == 4
    assert learn(learners, [], epochs=4, target_kl=1e-6)["updates"] == 2


def test_every_parameter_learns(learners: Learners) -> None:
    before = {name: parameter.detach().clone() for name, parameter in learners.policy.named_parameters()}
    learn(learners, [])
    unmoved = [name for name, now in learners.policy.named_parameters() if torch.equal(now, before[name])]
    assert unmoved == []


def test_with_trained_layers_only_the_last_ones_learn(tiny_policy: Path, tiny_reward_model: Path) -> None:
    config = CONFIG.model_copy(update={"trained_layers": 1})
    learners = make_learners(load_policy(tiny_policy), load_reward_model(tiny_reward_model), config)
    before = {name: parameter.detach().clone() for name, parameter in learners.policy.named_parameters()}
    learn(learners, [])
    moved = {name for name, now in learners.policy.named_parameters() if not torch.equal(now, before[name])}
    assert moved == {name for name in before if "layers.1." in name or name == "model.norm.weight"}
