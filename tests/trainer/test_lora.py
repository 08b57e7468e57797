"""LoRA: the base stays and is the reference, what is saved is a whole model; and memory saved on the way."""

import json
from pathlib import Path

import pytest
import torch

from tests.trainer.conftest import make_tokenizer
from trainer.config import PpoConfig, SftConfig
from trainer.data import BadInput
from trainer.engine import Engine
from trainer.learners import average, export_policy
from trainer.lora import add_adapters, merged_state, without_adapters
from trainer.policy import completion_logprobs, load_policy, save_policy
from trainer.ppo_inputs import load_models
from trainer.probe import Probe
from trainer.reward_model import new_reward_model
from trainer.sft import train_sft
from trainer.tokens import collate
from trainer.weight_sync import sync
from trainer.what_learns import choose_what_learns

BATCH = collate([([5, 6, 7], [8, 9, 1]), ([40, 41], [42, 1])], 0)


def moved(folder: Path) -> torch.nn.Module:
    """Return the policy with adapters that have learned something."""
    policy = load_policy(folder)
    add_adapters(policy.base_model, 2)
    for name, parameter in policy.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    return policy


def logprobs(policy: torch.nn.Module) -> torch.Tensor:
    return completion_logprobs(policy, BATCH)[0].detach()


def test_without_its_adapters_a_policy_is_what_it_began_as(tiny_policy: Path, tiny_gpt2: Path) -> None:
    for folder in (tiny_policy, tiny_gpt2):
        policy, began = moved(folder), logprobs(load_policy(folder))
        after = logprobs(policy)
        assert not torch.allclose(after, began, atol=1e-2)
        with without_adapters(policy):
            assert torch.equal(logprobs(policy), began)
        assert torch.equal(logprobs(policy), after)


def test_what_is_saved_is_a_whole_model_that_answers_the_same(tiny_gpt2: Path, tmp_path: Path) -> None:
    policy = moved(tiny_gpt2)
    for untied in (False, True):
        save_policy(policy, make_tokenizer(), tmp_path / str(untied), untied=untied)
        again = load_policy(tmp_path / str(untied))
        assert torch.allclose(logprobs(again), logprobs(policy), atol=1e-4)
    assert merged_state(policy).keys() == load_policy(tiny_gpt2).state_dict().keys()


@pytest.mark.checklist(29)
def test_only_adapters_learn_and_the_policy_is_its_own_reference(
    untied_policy: Path, tiny_reward_model: Path, tmp_path: Path
) -> None:
    learners, models = load_models(untied_policy, tiny_reward_model, PpoConfig(lora_rank=2))
    assert models.reference is learners.policy
    learning = {name for name, p in learners.policy.named_parameters() if p.requires_grad}
    assert learning == learners.ema.keys() and all("lora_" in name for name in learning)
    value_learning = {name for name, p in learners.value_model.named_parameters() if p.requires_grad}
    assert {name for name in value_learning if "lora_" not in name} == {"head.weight", "head.bias"}
    for name, parameter in learners.policy.named_parameters():
        if "lora_B" in name:
            parameter.data.fill_(0.1)
    average(learners, 0.5)
    export_policy(learners, make_tokenizer(), tmp_path)
    assert torch.allclose(logprobs(load_policy(tmp_path)), logprobs(learners.policy), atol=1e-4)


def test_the_engine_gets_what_the_adapters_learned(
    engine_at_hand: Engine, untied_policy: Path, tiny_policy: Path, tmp_path: Path
) -> None:
    policy = moved(tiny_policy)
    engine_at_hand.sync(save(load_policy(tiny_policy), tmp_path / "0"))
    sync(engine_at_hand, policy, 1)
    probe = Probe([list(range(5, 30))], 259, 1.0)
    assert probe.check(engine_at_hand, policy)["sync_difference"] < 1e-4
    engine_at_hand.sync(untied_policy)


def save(policy: torch.nn.Module, folder: Path) -> Path:
    save_policy(policy, make_tokenizer(), folder, untied=True)
    return folder


def test_sft_learns_adapters(tiny_policy: Path, tmp_path: Path) -> None:
    rows = [
        {"id": str(i), "prompt": [{"role": "user", "content": f"{i}?"}], "completion": "yes"}
        for i in range(8)
    ]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = SftConfig(lora_rank=4, lr=1e-2, epochs=6, batch_size=8, residual_dropout=0, valid_fraction=0)
    how = {"policy": tiny_policy, "demonstrations": tmp_path / "d.jsonl", "pretraining": None}
    train_sft(config, **how, out=tmp_path / "sft")
    losses = [json.loads(line)["loss"] for line in (tmp_path / "sft/metrics.jsonl").open()]
    assert losses[-1] < losses[0] - 0.5
    again, began = load_policy(tmp_path / "sft").state_dict(), load_policy(tiny_policy).state_dict()
    assert again.keys() == began.keys()
    assert torch.equal(again["model.embed_tokens.weight"], began["model.embed_tokens.weight"])


def test_layers_worked_out_again_give_the_same_gradients(tiny_gpt2: Path) -> None:
    plain, again = new_reward_model(tiny_gpt2, 0), new_reward_model(tiny_gpt2, 0)
    choose_what_learns(again.backbone, gradient_checkpointing=True)
    for model in (plain, again):
        model.scores(BATCH).sum().backward()
    for one, other in zip(plain.parameters(), again.parameters(), strict=True):
        assert torch.allclose(one.grad, other.grad, atol=1e-6)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
        plain.scores(BATCH)
        whole = sum(kept)
        again.scores(BATCH)
    assert sum(kept) - whole < whole / 2


def test_adapters_and_chosen_layers_do_not_go_together(tiny_policy: Path, tiny_reward_model: Path) -> None:
    config = PpoConfig(lora_rank=2, trained_layers=1)
    with pytest.raises(BadInput, match="leave trained_layers unset"):
        load_models(tiny_policy, tiny_reward_model, config)
