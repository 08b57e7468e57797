"""Held-out prompts looked at on the way: sampled by the engine, scored, and held against the reference."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from trainer.advantages import kl_per_token
from trainer.engine import Engine, Sampled, Sampling
from trainer.hardware import autocast, device
from trainer.lora import without_adapters
from trainer.policy import completion_logprobs
from trainer.reward_model import RewardModel, scores_of
from trainer.rollout import Models, draw
from trainer.tokens import collate, is_completion, micro_batches

Pairs = list[tuple[list[int], list[int]]]
"""Prompt ids with completion ids."""


def sample_and_score(
    engine: Engine,
    judge: RewardModel,
    prompts: Sequence[list[int]],
    first_seed: int,
    sampling: Sampling,
    *,
    pad_id: int,
    micro_batch_tokens: int,
    dtype: str,
) -> dict[str, float]:
    """Return mean score, length in tokens and share with an end, of one completion a prompt.

    The same seeds every time make two looks a comparison on the same draws.
    """
    drawn = draw(engine, prompts, first_seed, sampling)
    pairs = _pairs(prompts, drawn)
    scores = scores_of(judge, pairs, pad_id, micro_batch_tokens=micro_batch_tokens, dtype=dtype)
    return means(drawn, {"score": scores.tolist()})


def look(
    engine: Engine,
    models: Models,
    prompts: Sequence[list[int]],
    first_seed: int,
    sampling: Sampling,
    *,
    pad_id: int,
    micro_batch_tokens: int,
    dtype: str,
) -> tuple[list[Sampled], dict[str, list[float]]]:
    """Return one completion a prompt, and by name what was found of each.

    That is its score, the second judge's second_score where there is one, and its kl from the reference in
    nats, by k1. The seeds are used as in sample_and_score.
    """
    drawn = draw(engine, prompts, first_seed, sampling)
    pairs = _pairs(prompts, drawn)
    judges = {"score": models.reward_model, "second_score": models.second_judge}
    found = {
        name: scores_of(judge, pairs, pad_id, micro_batch_tokens=micro_batch_tokens, dtype=dtype)
        for name, judge in judges.items()
        if judge is not None
    }
    found["kl"] = kl_of(
        models, pairs, pad_id, sampling.temperature, micro_batch_tokens=micro_batch_tokens, dtype=dtype
    )
    return drawn, {name: numbers.tolist() for name, numbers in found.items()}


@torch.no_grad()
def kl_of(
    models: Models, pairs: Pairs, pad_id: int, temperature: float, *, micro_batch_tokens: int, dtype: str
) -> Tensor:
    """Return (N,) on the CPU: how many nats further from the reference each completion is, by k1."""
    kl = torch.zeros(len(pairs))
    for rows in micro_batches([len(prompt) + len(rest) for prompt, rest in pairs], micro_batch_tokens):
        batch = collate([pairs[row] for row in rows], pad_id).to(device())
        with autocast(dtype):
            logprobs, _ = completion_logprobs(models.policy, batch, temperature)
            with without_adapters(models.reference):
                ref_logprobs, _ = completion_logprobs(models.reference, batch, temperature)
        kl[rows] = kl_per_token(logprobs, ref_logprobs, is_completion(batch)).sum(1).cpu()
    return kl


def means(drawn: Sequence[Sampled], found: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return the mean of each thing found, the mean length and the share with an end, named valid_NAME."""
    ends = [one.finish_reason == "stop" for one in drawn]
    return {f"valid_{name}": sum(numbers) / len(drawn) for name, numbers in found.items()} | {
        "valid_length": sum(len(one.token_ids) for one in drawn) / len(drawn),
        "valid_eos_rate": sum(ends) / len(ends),
    }


def _pairs(prompts: Sequence[list[int]], drawn: Sequence[Sampled]) -> Pairs:
    return [(prompt, one.token_ids) for prompt, one in zip(prompts, drawn, strict=True)]
