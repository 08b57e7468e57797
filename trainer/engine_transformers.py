"""The fallback engine: transformers' own forward pass and a plain sampling loop."""

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache

from trainer.engine import Request, Sampling

MAX_ROWS = 32
"""Completions sampled side by side: enough to fill a small machine, little enough to fit it."""


class _Row(NamedTuple):
    request: int
    index: int
    generator: torch.Generator
    token_ids: list[int]
    logprobs: list[float]


@dataclass
class _Reread:
    """Stands in for a cache where an architecture has none: all ids so far (B, T), to be read again."""

    ids: Tensor

    def reorder_cache(self, rows: Tensor) -> None:
        self.ids = self.ids[rows]


_Cache = DynamicCache | _Reread


class TransformersBackend:
    """A policy in transformers; it draws from the same distribution as vLLM, several times slower."""

    def __init__(self, policy_dir: Path, dtype: str) -> None:
        transformers.utils.logging.disable_progress_bar()
        self._dtype = getattr(torch, dtype)
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self.reload(policy_dir)
        self.description = {
            "engine": "transformers",
            "version": transformers.__version__,
            "dtype": dtype,
            "device": self._device,
        }

    def reload(self, policy_dir: Path) -> None:
        """Hold the policy of another folder."""
        model = AutoModelForCausalLM.from_pretrained(policy_dir, dtype=self._dtype)
        self._model = model.eval().to(self._device)
        self._stop_ids = _stop_ids(policy_dir, model)
        # The oldest architectures, GPT-1 among them, keep nothing of what they have read.
        self._caches = "past_key_values" in inspect.signature(model.forward).parameters

    @torch.inference_mode()
    def sample(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[dict[str, Any]]:
        """Yield every completion when it ends; a prompt is encoded once for its completions in a batch."""
        for rows in _batches(requests):
            yield from self._sample_batch(requests, rows, sampling)

    @torch.inference_mode()
    def next_logprobs(
        self, texts: list[list[int]], token_ids: list[int], temperature: float
    ) -> list[list[float]]:
        """Return each token's logprob after each text under softmax(logits / temperature)."""
        found = []
        for text in texts:
            logits = self._model(torch.tensor([text], device=self._device), logits_to_keep=1).logits
            found.append((logits[0, -1].float() / temperature).log_softmax(-1)[token_ids].tolist())
        return found

    def _sample_batch(
        self, requests: Sequence[Request], rows: list[_Row], sampling: Sampling
    ) -> Iterator[dict[str, Any]]:
        numbers = sorted({row.request for row in rows})
        ids, mask = _left_pad([requests[number].prompt_ids for number in numbers])
        cache = DynamicCache(config=self._model.config) if self._caches else _Reread(ids[:, :0])
        logits, cache = self._forward(ids, mask, cache)
        at = [numbers.index(row.request) for row in rows]
        logits, mask = _take(logits, mask, cache, at)
        for step in range(sampling.max_tokens):
            tokens = _draw(logits, rows, sampling)
            ends = [row.token_ids[-1] in self._stop_ids for row in rows]
            is_last = step == sampling.max_tokens - 1
            yield from (_finished(row, end) for row, end in zip(rows, ends, strict=True) if end or is_last)
            alive = [number for number, end in enumerate(ends) if not end]
            if is_last or not alive:
                return
            if len(alive) < len(rows):  # a copy of the whole cache, so only where a row ended
                rows = [rows[number] for number in alive]
                tokens, mask = _take(tokens, mask, cache, alive)
            mask = torch.cat([mask, mask.new_ones(len(rows), 1)], 1)
            logits, cache = self._forward(tokens, mask, cache)

    def _forward(self, ids: Tensor, mask: Tensor, cache: _Cache) -> tuple[Tensor, _Cache]:
        """Return the logits (B, V) after the last of ids (B, T), and the cache; mask is (B, past + T)."""
        if isinstance(cache, _Reread):
            return self._read_again(torch.cat([cache.ids, ids], 1), mask)
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        output = self._model(
            ids.to(self._device),
            attention_mask=mask.to(self._device),
            position_ids=positions.to(self._device),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return output.logits[:, -1].float().cpu(), output.past_key_values

    def _read_again(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, _Cache]:
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        where = {"attention_mask": mask.to(self._device), "position_ids": positions.to(self._device)}
        logits = self._model(ids.to(self._device), **where).logits[:, -1]
        return logits.float().cpu(), _Reread(ids)


def _stop_ids(policy_dir: Path, model: Any) -> set[int]:
    """Return the tokens that end a completion: the tokenizer's and all of the generation config's."""
    named = model.generation_config.eos_token_id
    found = set(named if isinstance(named, list) else [named])
    found.add(AutoTokenizer.from_pretrained(policy_dir).eos_token_id)
    return found - {None}


def _batches(requests: Sequence[Request]) -> Iterator[list[_Row]]:
    """Yield rows by MAX_ROWS, prompts of like length together so that little is padding."""
    order = sorted(range(len(requests)), key=lambda number: len(requests[number].prompt_ids))
    rows = [
        _Row(number, index, torch.Generator().manual_seed(seed), [], [])
        for number in order
        for index, seed in enumerate(requests[number].seeds)
    ]
    for start in range(0, len(rows), MAX_ROWS):
        yield rows[start : start + MAX_ROWS]


def _left_pad(prompts: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Return ids and mask, both (B, longest): generation goes on at the right, so padding stands left."""
    longest = max(len(prompt) for prompt in prompts)
    ids = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    return ids, mask


def _take(values: Tensor, mask: Tensor, cache: _Cache, rows: list[int]) -> tuple[Tensor, Tensor]:
    """Keep (or repeat) the given rows of a batch, in the cache too."""
    held = cache.ids if isinstance(cache, _Reread) else cache.layers[0].keys
    cache.reorder_cache(torch.tensor(rows, device=held.device))
    return values[rows], mask[rows]


def _draw(logits: Tensor, rows: list[_Row], sampling: Sampling) -> Tensor:
    """Append one token to each row, drawn with the row's own generator; return the tokens (B, 1)."""
    if sampling.temperature == 0:
        logprobs = logits.log_softmax(-1)
        tokens = logits.argmax(-1)
    else:
        logprobs = _cut_tail(logits / sampling.temperature, sampling.top_p).log_softmax(-1)
        draws = torch.stack([torch.rand(1, generator=row.generator, dtype=torch.float64) for row in rows])
        summed = logprobs.double().exp().cumsum(-1)
        tokens = torch.searchsorted(summed, draws * summed[:, -1:])[:, 0]
    for row, token, logprob in zip(rows, tokens.tolist(), logprobs, strict=True):
        row.token_ids.append(token)
        row.logprobs.append(logprob[token].item())
    return tokens[:, None]


def _cut_tail(logits: Tensor, top_p: float) -> Tensor:
    """Mask all but the smallest set of tokens that holds top_p of the probability."""
    if top_p >= 1:
        return logits
    ordered, order = logits.sort(-1, descending=True)
    before = ordered.softmax(-1).cumsum(-1) - ordered.softmax(-1)
    return logits.scatter(-1, order, ordered.masked_fill(before >= top_p, float("-inf")))


def _finished(row: _Row, is_stop: bool) -> dict[str, Any]:
    return {
        "request": row.request,
        "index": row.index,
        "token_ids": row.token_ids,
        "logprobs": row.logprobs,
        "finish_reason": "stop" if is_stop else "length",
    }
