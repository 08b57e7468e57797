"""Scores and values: where they are read, and that a shared prompt changes nothing."""

import shutil
from pathlib import Path

import pytest
import torch

from trainer.data import BadInput
from trainer.reward_model import (
    RewardModel,
    check_judge,
    load_judge,
    load_reward_model,
    new_reward_model,
    save_reward_model,
)
from trainer.tokens import Batch, collate, load_tokenizer
from trainer.tree_attention import NAME, pack

PROMPT = [5, 6, 7, 8]
COMPLETIONS = [[9, 10, 1], [4, 1], [12, 13, 14, 1]]


@pytest.fixture(params=["last", "mean"])
def model(tiny_policy: Path, request: pytest.FixtureRequest) -> RewardModel:
    """A reward model of either kind: whatever else is tested here holds for both."""
    return new_reward_model(tiny_policy, seed=0, pooling=request.param)


def shared(model: RewardModel) -> torch.Tensor:
    model.backbone.set_attn_implementation(NAME)
    return model.scores_sharing_prompts(pack([(PROMPT, COMPLETIONS)], torch.device("cpu")))


def plain(model: RewardModel) -> torch.Tensor:
    return model.scores(collate([(PROMPT, c) for c in COMPLETIONS], 0))


def gradients(model: RewardModel, scores: torch.Tensor) -> list[torch.Tensor]:
    model.zero_grad()
    (scores * torch.tensor([1.0, -2.0, 0.5])).sum().backward()
    return [p.grad.clone() for p in model.parameters()]


@pytest.mark.checklist(9)
def test_a_new_head_is_small_and_float32(tiny_policy: Path) -> None:
    heads = [new_reward_model(tiny_policy, seed).head for seed in range(20)]
    weights = torch.cat([head.weight.flatten() for head in heads])
    assert weights.dtype == torch.float32
    assert weights.std().item() == pytest.approx(33**-0.5, rel=0.1)
    assert all(head.bias.item() == 0 for head in heads)


@pytest.mark.checklist(10)
@pytest.mark.parametrize(("pooling", "read"), [("last", slice(-1, None)), ("mean", slice(len(PROMPT), None))])
def test_a_score_is_read_at_eos_or_over_the_completion(tiny_policy: Path, pooling: str, read: slice) -> None:
    model = new_reward_model(tiny_policy, seed=0, pooling=pooling)
    ids = torch.tensor([PROMPT + COMPLETIONS[0]])
    hidden = model.backbone(input_ids=ids).last_hidden_state[0, read]
    assert plain(model)[0].item() == pytest.approx(model.head(hidden.mean(0)).item(), abs=1e-5)


def test_the_first_layers_alone_are_what_the_policy_has_there(tiny_policy: Path) -> None:
    whole, first = (new_reward_model(tiny_policy, seed=0, layers=layers) for layers in (None, 1))
    ids = torch.tensor([PROMPT])
    expected = whole.backbone(input_ids=ids, output_hidden_states=True).hidden_states[1]
    found = first.backbone(input_ids=ids).last_hidden_state
    assert torch.allclose(found, whole.backbone.norm(expected), atol=1e-6)
    with pytest.raises(BadInput, match="layers: .* has 2, so take at most as many"):
        new_reward_model(tiny_policy, seed=0, layers=3)


@pytest.mark.checklist(17)
def test_a_score_is_the_same_alone_or_in_a_batch_with_any_padding(model: RewardModel) -> None:
    together = plain(model)
    for completion, score in zip(COMPLETIONS, together, strict=True):
        alone = collate([(PROMPT, completion)], 0)
        wider = torch.nn.functional.pad(alone.ids, (0, 6), value=3)
        padded = Batch(wider, alone.prompt_lengths, alone.lengths)
        assert model.scores(alone).item() == pytest.approx(score.item(), abs=1e-5)
        assert model.scores(padded).item() == pytest.approx(score.item(), abs=1e-5)


def test_a_shared_prompt_gives_the_same_scores_and_gradients(model: RewardModel) -> None:
    assert torch.allclose(shared(model), plain(model), atol=1e-5)
    for one, other in zip(gradients(model, shared(model)), gradients(model, plain(model)), strict=True):
        assert torch.allclose(one, other, atol=1e-4)


def test_values_stand_before_each_completion_token(model: RewardModel) -> None:
    batch = collate([(PROMPT, COMPLETIONS[0]), (PROMPT, COMPLETIONS[1])], 0)
    hidden = model.backbone(input_ids=batch.ids).last_hidden_state
    before = model.head(hidden)[1, 3:5, 0]
    if model.backbone.config.pooling == "mean":
        before[1] = before.mean()
    values = model.values(batch)
    assert torch.allclose(values[1, :2], before, atol=1e-5)
    assert values[1, 2].item() == 0


def test_the_value_of_a_whole_completion_is_near_its_score(tiny_policy: Path) -> None:
    model = new_reward_model(tiny_policy, seed=0, pooling="mean")
    completion = [9 + number % 7 for number in range(30)]
    end = [*completion, 1]
    score = model.scores(collate([(PROMPT, completion)], 0)).item()
    last = model.values(collate([(PROMPT, end)], 0))[0, -1].item()
    tokens = model.head(model.backbone(input_ids=torch.tensor([PROMPT + completion])).last_hidden_state)[0]
    assert last == pytest.approx((score * 30 + tokens[len(PROMPT) - 1].item()) / 31, abs=1e-5)


def test_a_judge_that_reads_other_tokens_is_refused(
    tiny_policy: Path, tiny_reward_model: Path, tmp_path: Path
) -> None:
    other = shutil.copytree(tiny_reward_model, tmp_path / "other")
    assert not load_judge(other, load_tokenizer(tiny_policy)).head.weight.requires_grad
    tokenizer = load_tokenizer(other)
    tokenizer.add_tokens(["one more"])
    tokenizer.save_pretrained(other)
    with pytest.raises(BadInput, match="other: has another tokenizer than the policy"):
        load_judge(other, load_tokenizer(tiny_policy))
    with pytest.raises(BadInput, match="--second-judge .*other: has another tokenizer"):
        check_judge(other, load_tokenizer(tiny_policy), "--second-judge")


@pytest.mark.checklist(9)
def test_scores_stay_float32_under_autocast(model: RewardModel) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert plain(model).dtype == torch.float32


def test_what_is_saved_scores_the_same(model: RewardModel, tiny_policy: Path, tmp_path: Path) -> None:
    model.head.bias.data.fill_(-3.5)
    save_reward_model(model, load_tokenizer(tiny_policy), tmp_path)
    (tmp_path / "podium.json").write_text('{"kind": "reward_model"}')
    loaded = load_reward_model(tmp_path)
    assert torch.equal(plain(loaded), plain(model))
    assert torch.equal(shared(loaded), shared(model))
