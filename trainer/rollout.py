"""One PPO batch: completions drawn from the policy, and all that the update needs to know of them."""

import random
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedModel

from trainer import many
from trainer.advantages import kl_per_token
from trainer.engine import Engine, EngineError, Refused, Request, Sampled, Sampling
from trainer.hardware import autocast, device
from trainer.lora import without_adapters
from trainer.policy import completion_logprobs
from trainer.reward_model import RewardModel
from trainer.tokens import Batch, collate, is_completion, micro_batches

Minibatch = list[list[int]]
"""The rows of one optimizer step, cut into micro-batches."""


class Rollout(NamedTuple):
    """B completions; C is the longest one's tokens, and padding holds 0.

    batch: ids (B, L) with lengths; old_logprobs, ref_logprobs, engine_logprobs, values, entropy: (B, C);
    scores: (B,), as rewards use them; is_stopped: (B,), True where the completion ends by itself.
    """

    batch: Batch
    is_stopped: Tensor
    engine_logprobs: Tensor
    old_logprobs: Tensor
    ref_logprobs: Tensor
    entropy: Tensor
    values: Tensor
    scores: Tensor

    @property
    def is_completion(self) -> Tensor:
        return is_completion(self.batch)

    @property
    def kl(self) -> Tensor:
        return kl_per_token(self.old_logprobs, self.ref_logprobs, self.is_completion)


class Models(NamedTuple):
    """The four models that a rollout passes through; only the policy and the value model learn.

    The reference may be the policy itself: it is looked at without its adapters. A second judge, where there
    is one, scores held-out completions and nothing that is learned from.
    """

    policy: PreTrainedModel
    reference: PreTrainedModel
    reward_model: RewardModel
    value_model: RewardModel
    second_judge: RewardModel | None = None


def draw(engine: Engine, prompts: Sequence[list[int]], first_seed: int, sampling: Sampling) -> list[Sampled]:
    """Return one completion a prompt, in the prompts' order, prompt i drawn with seed first_seed + i."""
    return many.from_first(lambda: _draw(engine, prompts, first_seed, sampling))


def _draw(engine: Engine, prompts: Sequence[list[int]], first_seed: int, sampling: Sampling) -> list[Sampled]:
    requests = [Request(prompt, [first_seed + number]) for number, prompt in enumerate(prompts)]
    found: dict[int, Sampled] = {}
    for answer in engine.sample(requests, sampling):
        if isinstance(answer, Refused):
            raise EngineError(answer.kind, answer.reason)
        found[answer.request] = answer
    return [found[number] for number in range(len(prompts))]


def plan_minibatches(lengths: Sequence[int], count: int, max_tokens: int, seed: str) -> list[Minibatch]:
    """Return a random partition of the rows into count minibatches of equal size, give or take one."""
    order = list(range(len(lengths)))
    random.Random(seed).shuffle(order)
    minibatches = []
    for number in range(count):
        rows = order[number::count]
        cut = micro_batches([lengths[row] for row in rows], max_tokens)
        minibatches.append([[rows[place] for place in micro] for micro in cut])
    return minibatches


def make_rollout(
    models: Models,
    prompts: Sequence[list[int]],
    completions: Sequence[Sampled],
    plan: Sequence[Minibatch],
    *,
    pad_id: int,
    temperature: float,
    missing_eos_score: float,
    dtype: str,
) -> Rollout:
    """Return the rollout of the completions: logprobs, reference logprobs, values and scores.

    The trainer works out the old logprobs itself, by the very micro-batches that the first update will
    use: so the first ratio is 1 to the last bit, in bfloat16 too, whatever the engine's rounding was.
    """
    pairs = [(prompt, drawn.token_ids) for prompt, drawn in zip(prompts, completions, strict=True)]
    batch = collate(pairs, pad_id).to(device())
    found = {name: torch.zeros_like(is_completion(batch), dtype=torch.float32) for name in _PER_TOKEN}
    scores = torch.zeros(len(pairs), device=device())
    for micro in plan:
        for rows, weight in many.shares(micro):
            parts, scored = _look(models, take(batch, rows), temperature, dtype)
            if weight:
                scores[rows] = scored
                for name, part in zip(_PER_TOKEN, parts, strict=True):
                    found[name][rows, : part.shape[1]] = part
    many.add_up(scores, *found.values())
    is_stopped = torch.tensor([drawn.finish_reason == "stop" for drawn in completions], device=device())
    return Rollout(
        batch=batch,
        is_stopped=is_stopped,
        engine_logprobs=_padded([drawn.logprobs for drawn in completions], batch),
        scores=score_missing_eos(scores, is_stopped, missing_eos_score),
        **found,
    )


_PER_TOKEN = ("old_logprobs", "entropy", "ref_logprobs", "values")


@torch.no_grad()
def _look(models: Models, batch: Batch, temperature: float, dtype: str) -> tuple[list[Tensor], Tensor]:
    """Return what _PER_TOKEN names, each (b, c), and the scores (b,), of one micro-batch."""
    with autocast(dtype):
        logprobs, entropy = completion_logprobs(models.policy, batch, temperature)
        with without_adapters(models.reference):
            ref_logprobs, _ = completion_logprobs(models.reference, batch, temperature)
        values = models.value_model.values(batch)
        scores = models.reward_model.scores(batch)
    return [logprobs, entropy, ref_logprobs, values], scores


def score_missing_eos(scores: Tensor, is_stopped: Tensor, missing_eos_score: float) -> Tensor:
    """Return scores (B,), those of completions cut off by their limit at most missing_eos_score.

    At most, not exactly: where the reward model already scores lower, a fixed score would pay the policy
    for never ending.
    """
    return torch.where(is_stopped, scores, scores.clamp(max=missing_eos_score))


def take(batch: Batch, rows: Sequence[int]) -> Batch:
    """Return some rows of a batch, padded no further than they need."""
    chosen = torch.tensor(rows, device=batch.ids.device)
    lengths = batch.lengths[chosen]
    return Batch(batch.ids[chosen, : int(lengths.max())], batch.prompt_lengths[chosen], lengths)


def _padded(rows: Sequence[Sequence[float]], batch: Batch) -> Tensor:
    padded = torch.zeros_like(is_completion(batch), dtype=torch.float32)
    for number, row in enumerate(rows):
        padded[number, : len(row)] = torch.tensor(row, device=padded.device)
    return padded
