"""The probe: rounding passes it, and weights of before do not, the whole of them or a part."""

import copy
import random
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel

from trainer import probe as probing
from trainer.lora import add_adapters
from trainer.policy import load_policy, next_logprobs
from trainer.probe import Look, Probe, SyncFailed, missed

Lists = list[list[float]]
DRAW = random.Random(0)
TEXTS = [[DRAW.randrange(3, 259) for _ in range(length)] for length in range(10, 58, 3)]


def noise(seed: int, size: float) -> torch.Tensor:
    return size * torch.randn(8, 64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.checklist(43)
@pytest.mark.parametrize("rounding", [1e-5, 0.06])
def test_rounding_never_looks_like_older_weights_and_older_weights_always_do(rounding: float) -> None:
    zeros = torch.zeros(8, 64)
    for seed in range(0, 400, 4):
        change = noise(seed, 0.06)
        before = Look(zeros, noise(seed + 1, rounding))
        fresh, stale = change + noise(seed + 2, rounding), before.theirs + noise(seed + 3, rounding)
        probing._check_missed(before, Look(change, fresh), zeros, "older weights")
        with pytest.raises(SyncFailed, match="older weights"):
            probing._check_missed(before, Look(change, stale), zeros, "older weights")


def test_an_engine_that_answers_to_the_bit_as_before_is_found_whatever_the_change() -> None:
    before = Look(torch.zeros(8, 64), noise(1, 0.06))
    share, error = missed(before, Look(noise(2, 1e-6), before.theirs), before.ours)
    assert share == pytest.approx(1, abs=1e-2) and error < 1e-2
    assert missed(before, before, before.ours) == (0, 0)  # nothing moved, so nothing was missed


class Copy:
    """An engine that holds a copy of the policy in its own dtype, as much of it as it was brought."""

    def __init__(self, policy: PreTrainedModel, dtype: str) -> None:
        self.description = {"dtype": dtype}
        self.held = copy.deepcopy(policy)
        for parameter in self.held.parameters():  # not the rotary frequencies, which stay float32 in vLLM too
            parameter.data = parameter.data.to(getattr(torch, dtype))

    @torch.no_grad()
    def sync(self, policy: PreTrainedModel, but: str = "nothing") -> None:
        for (name, held), new in zip(self.held.named_parameters(), policy.parameters(), strict=True):
            if but not in name:
                held.copy_(new)

    def next_logprobs(self, texts: list[list[int]], token_ids: list[int], temperature: float) -> Lists:
        return next_logprobs(self.held, texts, token_ids, temperature)[0].tolist()


@torch.no_grad()
def learn(policy: PreTrainedModel, size: float, seed: int) -> None:
    """Move every weight that learns by so much, up or down, as Adam's first step does."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in policy.parameters():
        if parameter.requires_grad:
            parameter.add_(size * torch.randn(parameter.shape, generator=generator).sign())


@pytest.mark.checklist(43)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    ("missed", "size"), [("", 1e-4), ("lm_head", 1e-2), ("layers.0", 1e-2), ("lora_", 3e-2)]
)
def test_a_sync_that_brings_a_part_is_found_and_a_whole_one_passes(
    untied_policy: Path, dtype: str, missed: str, size: float
) -> None:
    policy = load_policy(untied_policy)
    if missed == "lora_":
        add_adapters(policy.base_model, 4)
        learn(policy, size, 0)
    engine, probe = Copy(policy, dtype), Probe(TEXTS, 259, 1.0)
    probe.check(engine, policy)
    for step in range(1, 5):
        learn(policy, size, step)
        with pytest.raises(SyncFailed):
            engine.sync(policy, but=missed)
            probe.check(engine, policy)
        engine.sync(policy)
        probe.check(engine, policy)


def test_weights_are_rounded_only_while_they_compute(untied_policy: Path) -> None:
    policy = load_policy(untied_policy)
    before = {name: parameter.detach().clone() for name, parameter in policy.named_parameters()}
    plain = next_logprobs(policy, TEXTS, [5, 6], 1.0)[0]
    with probing._rounded(policy, "bfloat16"):
        rounded = next_logprobs(policy, TEXTS, [5, 6], 1.0)[0]
    assert 1e-4 < (rounded - plain).abs().mean() < 0.1
    assert all(torch.equal(before[name], parameter) for name, parameter in policy.named_parameters())
    for parameter in policy.parameters():
        parameter.data = parameter.data.bfloat16().float()
    assert torch.equal(rounded, next_logprobs(policy, TEXTS, [5, 6], 1.0)[0])


def test_the_texts_are_of_all_lengths_and_the_longest_is_among_them() -> None:
    probe = Probe([[1] * length for length in range(1, 101)], 49152, 1.0)
    assert max(map(len, probe.texts)) == 100 and min(map(len, probe.texts)) < 10
    assert len(probe.texts) <= 8 and len(probe.token_ids) == 64


def test_of_long_prompts_all_but_the_longest_are_probed_at_their_ends() -> None:
    prompts = [[number] * 50 + list(range(3, 63 + number)) for number in range(3, 23)]
    probe = Probe(prompts, vocabulary=259, temperature=1.0)
    assert probe.texts[0] == prompts[-1] and len(probe.texts) == 7
    assert all(len(text) == 64 for text in probe.texts[1:])
    ends = [prompt[-64:] for prompt in prompts]
    assert all(text in ends for text in probe.texts[1:])
