"""A policy's logprobs, and what is written when it is saved."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from trainer import policy as policies
from trainer.data import BadInput
from trainer.policy import completion_logprobs, load_policy, prepare, save_policy
from trainer.reward_model import new_reward_model
from trainer.token_logprobs import TokenLogprobs
from trainer.tokens import Batch, collate, load_tokenizer

SEQUENCES = [([5, 6, 7], [8, 9, 1]), ([5, 9], [4, 1]), ([7], [1])]


@pytest.fixture
def policy(tiny_policy):
    return load_policy(tiny_policy)


def by_hand(policy, prompt: list[int], completion: list[int], temperature: float) -> list[float]:
    logits = policy(input_ids=torch.tensor([prompt + completion])).logits[0] / temperature
    logprobs = torch.log_softmax(logits, -1)
    return [logprobs[len(prompt) - 1 + j, t].item() for j, t in enumerate(completion)]


@pytest.mark.checklist(19, 34)
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_logprobs_are_those_of_each_sequence_alone(policy, temperature: float) -> None:
    logprobs, _ = completion_logprobs(policy, collate(SEQUENCES, 0), temperature)
    for row, (prompt, completion) in zip(logprobs, SEQUENCES, strict=True):
        expected = by_hand(policy, prompt, completion, temperature)
        assert row[: len(completion)].tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.checklist(4)
def test_logprobs_do_not_see_padding(policy) -> None:
    batch = collate(SEQUENCES, 0)
    wider = torch.nn.functional.pad(batch.ids, (0, 5), value=3)
    padded = Batch(wider, batch.prompt_lengths, batch.lengths)
    for expected, seen in zip(
        completion_logprobs(policy, batch), completion_logprobs(policy, padded), strict=True
    ):
        assert torch.allclose(expected, seen, atol=1e-5)


def test_chunks_of_logits_change_neither_logprobs_nor_gradients(policy, monkeypatch) -> None:
    def gradients() -> list[torch.Tensor]:
        policy.zero_grad()
        logprobs, _ = completion_logprobs(policy, collate(SEQUENCES, 0))
        logprobs.sum().backward()
        return [p.grad.clone() for p in policy.parameters()]

    whole = gradients()
    monkeypatch.setattr(policies, "_LOGIT_ROWS", 2)
    for one, other in zip(whole, gradients(), strict=True):
        assert torch.allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_the_way_back_from_logprobs_is_autograds_own(temperature: float) -> None:
    torch.manual_seed(0)
    logits, ids = 4 * torch.randn(5, 11, dtype=torch.float64), torch.tensor([0, 3, 3, 10, 7])
    weights = torch.randn(5)
    one, other = (logits.float().requires_grad_() for _ in range(2))
    (torch.log_softmax(one / temperature, -1).gather(1, ids[:, None]).squeeze(1) * weights).sum().backward()
    logprobs, entropy = TokenLogprobs.apply(other, ids, temperature)
    (logprobs * weights).sum().backward()
    assert torch.allclose(one.grad, other.grad, atol=1e-6)
    assert not entropy.requires_grad


def test_entropy_is_that_of_the_tempered_distribution(policy) -> None:
    _, entropy = completion_logprobs(policy, collate([([5, 6], [8])], 0), temperature=2.0)
    probabilities = torch.softmax(policy(input_ids=torch.tensor([[5, 6]])).logits[0, -1] / 2, -1)
    expected = -(probabilities * probabilities.log()).sum()
    assert entropy.item() == pytest.approx(expected.item(), abs=1e-5)


@pytest.mark.checklist(6)
def test_two_forwards_are_identical(tiny_gpt2: Path) -> None:
    policy, batch = load_policy(tiny_gpt2), collate(SEQUENCES, 0)
    assert policy.config.resid_pdrop > 0, "a policy without dropout would prove nothing"
    assert torch.equal(completion_logprobs(policy, batch)[0], completion_logprobs(policy, batch)[0])
    model = new_reward_model(tiny_gpt2, seed=0)
    assert torch.equal(model.scores(batch), model.scores(batch))
    assert torch.equal(model.values(batch), model.values(batch))


def test_an_untied_export_holds_its_own_head_and_leaves_the_policy_tied(
    policy, tiny_policy, tmp_path: Path
) -> None:
    save_policy(policy, load_tokenizer(tiny_policy), tmp_path, untied=True)
    weights = load_file(tmp_path / "model.safetensors")
    assert torch.equal(weights["lm_head.weight"], weights["model.embed_tokens.weight"])
    assert json.loads((tmp_path / "config.json").read_text())["tie_word_embeddings"] is False
    assert policy.config.tie_word_embeddings is True
    batch = collate(SEQUENCES, 0)
    again = completion_logprobs(load_policy(tmp_path), batch)[0]
    assert torch.equal(again, completion_logprobs(policy, batch)[0])


def test_prepare_makes_a_policy_folder_of_another(tiny_policy, tmp_path: Path) -> None:
    prepare(str(tiny_policy), tmp_path / "base")
    facts = json.loads((tmp_path / "base" / "podium.json").read_text())
    assert facts["kind"] == "policy" and facts["result"]["base"] == str(tiny_policy)
    load_policy(tmp_path / "base")


def test_prepare_says_which_base_it_cannot_load(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"--base .*nowhere: cannot be loaded"):
        prepare(str(tmp_path / "nowhere"), tmp_path / "base")
    assert not (tmp_path / "base").exists()
