"""The families people train, from GPT-1 to Qwen, go through what every stage is made of."""

from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    OpenAIGPTConfig,
    OPTConfig,
    PreTrainedConfig,
    Qwen2Config,
    Qwen3Config,
)

from tests.trainer.conftest import make_tokenizer
from trainer.dropout import residual_dropout
from trainer.engine import Request, Sampling
from trainer.engine_transformers import TransformersBackend
from trainer.judged_scores import plain_scores, shared_scores, shares_prompt
from trainer.packing import pack_rows
from trainer.policy import completion_logprobs, load_policy, next_logprobs, save_policy
from trainer.rankings import JudgedPrompt
from trainer.reward_model import load_reward_model, new_reward_model, save_reward_model
from trainer.tokens import collate, load_tokenizer
from trainer.what_learns import freeze_but_last

SIZES = {
    "vocab_size": 259,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 128,
    "initializer_range": 0.2,
    "bos_token_id": 2,
    "eos_token_id": 1,
    "pad_token_id": 0,
}
GROUPED = SIZES | {"intermediate_size": 64, "num_key_value_heads": 2}
FAMILIES: dict[str, PreTrainedConfig] = {
    "gpt": OpenAIGPTConfig(**SIZES),
    "gpt2": GPT2Config(**SIZES),
    "opt": OPTConfig(**SIZES, ffn_dim=64, word_embed_proj_dim=32, init_std=0.2),
    "gpt-neox": GPTNeoXConfig(**SIZES, intermediate_size=64, tie_word_embeddings=False),
    "llama": LlamaConfig(**GROUPED),
    "qwen2": Qwen2Config(**GROUPED, tie_word_embeddings=True),
    "qwen3": Qwen3Config(**GROUPED, head_dim=8),
}
SEQUENCES = [([5, 6, 7], [8, 9, 1]), ([5, 9], [4, 1]), ([7] * 9, [1])]


@pytest.fixture(scope="module", params=FAMILIES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("families") / request.param
    AutoModelForCausalLM.from_config(FAMILIES[request.param]).save_pretrained(path)
    make_tokenizer().save_pretrained(path)
    return path


def test_logprobs_are_those_of_each_sequence_alone(folder: Path) -> None:
    policy = load_policy(folder)
    together, _ = completion_logprobs(policy, collate(SEQUENCES, 0))
    for row, (prompt, completion) in zip(together, SEQUENCES, strict=True):
        logits = policy(input_ids=torch.tensor([prompt + completion])).logits[0]
        alone = torch.log_softmax(logits, -1)[len(prompt) - 1 : -1].gather(
            1, torch.tensor(completion)[:, None]
        )
        assert row[: len(completion)].tolist() == pytest.approx(alone[:, 0].tolist(), abs=1e-4)


def test_samples_have_the_trainers_logprobs_whatever_stands_beside_them(folder: Path) -> None:
    requests = [Request([40, 41, 42], [7]), Request(list(range(60, 85)), [1])]
    policy = load_policy(folder)
    for answer in TransformersBackend(folder, "float32").sample(requests, Sampling(8)):
        batch = collate([(requests[answer["request"]].prompt_ids, answer["token_ids"])], 0)
        expected = completion_logprobs(policy, batch)[0][0].tolist()
        assert answer["logprobs"] == pytest.approx(expected, abs=1e-4)


def test_a_prompt_encoded_once_gives_the_same_scores(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = new_reward_model(folder, seed=0)
    judged = JudgedPrompt([5, 6, 7, 8], [[9, 10, 1], [4, 1], [12, 13, 14, 1]], [(0, 1)])
    other = JudgedPrompt([3] * 9, [[9, 1], [4, 7, 1]], [(0, 1)])
    plain = torch.cat(plain_scores(model, [judged, other], 0))
    assert plain.std() > 1e-3, "scores that are all equal would prove nothing"
    if folder.name == "gpt":
        assert not shares_prompt(model, [judged, other], "always", 0)
        assert "cannot share a prompt" in caplog.text
        assert torch.equal(torch.cat(plain_scores(model, [judged, other], 0)), plain)
        return
    assert shares_prompt(model, [judged, other], "always", 0)
    assert torch.allclose(torch.cat(shared_scores(model, [judged, other])), plain, atol=1e-4)


def test_rows_without_padding_give_the_same_logprobs_and_gradients(folder: Path) -> None:
    policy, batch = load_policy(folder), collate(SEQUENCES, 0)
    weight = next(p for p in policy.parameters() if p.dim() == 2)
    plain, _ = completion_logprobs(policy, batch)
    expected = torch.autograd.grad(plain.square().sum(), weight)[0]
    assert pack_rows(policy.base_model, [5, 6, 7, 8, 9] * 5) is (folder.name != "gpt")
    found, _ = completion_logprobs(policy, batch)
    assert torch.allclose(found, plain, atol=1e-4)
    assert torch.allclose(torch.autograd.grad(found.square().sum(), weight)[0], expected, atol=1e-2)


@pytest.mark.parametrize(
    ("texts", "tokens"), [([[5, 6, 7], [5, 6, 8], [5, 6, 9]], 5), ([[5, 6], [5], [8]], 4), ([[5, 6], [5]], 3)]
)
def test_what_texts_begin_with_is_computed_once_and_changes_nothing(
    folder: Path, texts: list[list[int]], tokens: int
) -> None:
    policy, read = load_policy(folder), []
    plain, _ = next_logprobs(policy, texts, range(9), 1.0)
    policy.get_input_embeddings().register_forward_pre_hook(lambda _, ids: read.append(ids[0].numel()))
    if pack_rows(policy.base_model, [5, 6, 7, 8, 9] * 5):
        found, _ = next_logprobs(policy, texts, range(9), 1.0)
        assert torch.allclose(found, plain, atol=1e-4)
        assert read[-1] == tokens


def test_a_window_that_shows_in_the_longest_text_keeps_its_padding() -> None:
    torch.manual_seed(0)
    backbone = AutoModelForCausalLM.from_config(MistralConfig(**GROUPED, sliding_window=8)).base_model.eval()
    assert not pack_rows(backbone, list(range(5, 37)))
    assert pack_rows(backbone, [5, 6, 7])


def test_its_layers_are_found(folder: Path) -> None:
    policy, batch = load_policy(folder), collate(SEQUENCES, 0)
    plain = completion_logprobs(policy, batch)[0]
    with residual_dropout(policy.base_model, 0.5):
        assert not torch.allclose(completion_logprobs(policy, batch)[0], plain)
    freeze_but_last(policy.base_model, 1)
    completion_logprobs(policy, batch)[0].sum().backward()
    layers = next(m for m in policy.modules() if isinstance(m, torch.nn.ModuleList))
    learned = [{p.grad is not None for p in layer.parameters()} for layer in layers]
    assert learned == [{False}, {True}]


def test_an_untied_export_loads_as_the_same_policy(folder: Path, tmp_path: Path) -> None:
    policy, batch = load_policy(folder), collate(SEQUENCES, 0)
    save_policy(policy, load_tokenizer(folder), tmp_path / "export", untied=True)
    again = load_policy(tmp_path / "export")
    assert torch.equal(completion_logprobs(again, batch)[0], completion_logprobs(policy, batch)[0])


def test_a_reward_model_on_its_first_layer_is_saved_as_one(folder: Path, tmp_path: Path) -> None:
    whole, first = (new_reward_model(folder, seed=0, layers=layers) for layers in (None, 1))
    kept, there = (dict(model.backbone.named_parameters()) for model in (first, whole))
    assert len(kept) < len(there) and all(torch.equal(kept[name], there[name]) for name in kept)
    save_reward_model(first, load_tokenizer(folder), tmp_path)
    (tmp_path / "podium.json").write_text('{"kind": "reward_model"}')
    judged = [JudgedPrompt([5, 6, 7, 8], [[9, 10, 1], [4, 1]], [(0, 1)])]
    again = torch.cat(plain_scores(load_reward_model(tmp_path), judged, 0))
    assert torch.equal(again, torch.cat(plain_scores(first, judged, 0)))
    assert not torch.allclose(again, torch.cat(plain_scores(whole, judged, 0)))
