"""Attention over packed sequences, of which many may share one prompt.

Sequences stand one after the other in a single row, without padding. Each is a Segment: its tokens attend to
each other causally, and to all tokens of the segment it continues, its prefix. A prompt is a segment
without prefix, its K completions are K segments with it, so that the prompt is encoded once, and its gradient
is the sum over them. Positions go on from the prefix, as they would without sharing.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward

NAME = "podium_tree"

# Queries at a time: the keys after a block's last query are never looked at.
_BLOCK = 128


class Packed(NamedTuple):
    """Prompts with their completions in one row: ids and positions (1, N), ends (M,) int64.

    M counts the completions of all prompts in order; each end is the place after a completion.
    """

    ids: Tensor
    positions: Tensor
    segments: list["Segment"]
    ends: Tensor


class Segment(NamedTuple):
    """Tokens start to end of the row, which continue those from prefix_start to prefix_end."""

    start: int
    end: int
    prefix_start: int = 0
    prefix_end: int = 0


def pack(prompts: Sequence[tuple[Sequence[int], Sequence[Sequence[int]]]], device: torch.device) -> Packed:
    """Return one row of (prompt ids, completions' ids), each prompt there once."""
    ids: list[int] = []
    positions: list[int] = []
    segments: list[Segment] = []
    ends: list[int] = []
    for prompt, completions in prompts:
        start, end = len(ids), len(ids) + len(prompt)
        ids += prompt
        positions += range(len(prompt))
        segments.append(Segment(start, end))
        for completion in completions:
            segments.append(Segment(len(ids), len(ids) + len(completion), start, end))
            ids += completion
            positions += range(len(prompt), len(prompt) + len(completion))
            ends.append(len(ids))
    rows = [torch.tensor(numbers, device=device) for numbers in (ids, positions, ends)]
    return Packed(rows[0][None], rows[1][None], segments, rows[2])


def _attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    segments: Sequence[Segment] | None = None,
    **more: Any,  # whatever an architecture hands to every attention
) -> tuple[Tensor, None]:
    """Attend within segments where a row has them, else as transformers does.

    query (1, H, N, d), key and value (1, G, N, d), to (1, N, H, d).
    """
    if segments is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **more)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    # Rotary embeddings leave queries and keys in float32 even under autocast.
    query, key = query.to(value.dtype), key.to(value.dtype)
    with torch.autocast(query.device.type, enabled=False):
        out = TreeAttention.apply(query[0], key[0], value[0], segments, scale)
    return out.transpose(0, 1)[None], None


AttentionInterface.register(NAME, _attention)


def put_in(backbone: PreTrainedModel, compute: Callable[[], Tensor], expected: Tensor) -> bool:
    """Exchange a backbone's attention for this one, and keep it so if what it computes stays as expected.

    An attention that looks back only so far would show in a long enough text.
    """
    before = backbone.config._attn_implementation
    try:
        backbone.set_attn_implementation(NAME)
        if torch.allclose(expected, compute(), atol=1e-3, rtol=1e-3):
            # What knows nothing of exchanged attention keeps its own.
            return bool(backbone.config._attn_implementation == NAME)
    except (TypeError, ValueError, NotImplementedError) as error:
        logging.info("this architecture does not let its attention be exchanged: %s", error)
    backbone.set_attn_implementation(before)
    return False


class TreeAttention(torch.autograd.Function):
    """query (H, N, d), key and value (G, N, d), H a multiple of G, to (H, N, d).

    Products of matrices alone, which every device is fast at; nothing as large as a score matrix is kept for
    the way back, where it is made again.
    """

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, segments: Sequence[Segment], scale: float
    ) -> Tensor:
        q = (query * scale).reshape(len(key), -1, *query.shape[1:])
        out = torch.empty_like(q)
        for block in _blocks(segments):
            weights = _weights(q, key, block)
            out[:, :, block.rows] = _by_head(torch.bmm(weights, _of(value, block)), q)
        ctx.save_for_backward(q, key, value)
        ctx.segments, ctx.scale = segments, scale
        return out.reshape(query.shape)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        q, key, value = ctx.saved_tensors
        grad = grad.reshape(q.shape)
        grad_q = torch.empty_like(q)
        # A prompt's keys gather from all its completions: in float32, whatever the forward pass had.
        grad_key, grad_value = (torch.zeros_like(t, dtype=torch.float32) for t in (key, value))
        for block in _blocks(ctx.segments):
            weights, above = _weights(q, key, block), grad[:, :, block.rows].flatten(1, 2)
            _add(grad_value, block, torch.bmm(weights.transpose(1, 2), above))
            towards = torch.bmm(above, _of(value, block).transpose(1, 2))
            towards = torch._softmax_backward_data(towards, weights, -1, weights.dtype)
            _add(grad_key, block, torch.bmm(towards.transpose(1, 2), q[:, :, block.rows].flatten(1, 2)))
            grad_q[:, :, block.rows] = _by_head(torch.bmm(towards, _of(key, block)), q)
        grad_q = (grad_q * ctx.scale).reshape(-1, *q.shape[2:])
        return grad_q, grad_key.to(key.dtype), grad_value.to(value.dtype), None, None


class _Block(NamedTuple):
    """Queries that are looked at together, and the keys that the last of them sees: prefix, then own."""

    rows: slice
    prefix: slice
    own: slice


def _blocks(segments: Sequence[Segment]) -> Iterator[_Block]:
    for segment in segments:
        prefix = slice(segment.prefix_start, segment.prefix_end)
        for start in range(segment.start, segment.end, _BLOCK):
            end = min(start + _BLOCK, segment.end)
            yield _Block(slice(start, end), prefix, slice(segment.start, end))


def _of(keys: Tensor, block: _Block) -> Tensor:
    """Return (G, S, d): what a block's queries see."""
    own = keys[:, block.own]
    return own if block.prefix.start == block.prefix.stop else torch.cat([keys[:, block.prefix], own], 1)


def _add(total: Tensor, block: _Block, part: Tensor) -> None:
    """Add (G, S, d) to the keys it belongs to."""
    before = block.prefix.stop - block.prefix.start
    total[:, block.prefix] += part[:, :before]
    total[:, block.own] += part[:, before:]


def _by_head(rows: Tensor, q: Tensor) -> Tensor:
    """Return (G, H/G, R, d) of (G, H/G * R, d)."""
    return rows.view(q.shape[0], q.shape[1], -1, q.shape[3])


def _weights(q: Tensor, key: Tensor, block: _Block) -> Tensor:
    """Return (G, H/G * R, S): how much each query takes of each key; each row adds up to one."""
    scores = torch.bmm(q[:, :, block.rows].flatten(1, 2), _of(key, block).transpose(1, 2))
    size = block.rows.stop - block.rows.start
    later = torch.ones(size, size, dtype=torch.bool, device=q.device).triu(1)
    by_head = scores.view(q.shape[0], q.shape[1], size, -1)
    by_head[..., -size:].masked_fill_(later, float("-inf"))
    return torch.softmax(scores, -1)
