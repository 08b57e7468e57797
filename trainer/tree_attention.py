"""Attention over packed sequences, of which many may share one prompt.

Sequences stand one after the other in a single row, without padding. Each is a Segment: its tokens attend to
each other causally, and to all tokens of the segment it continues, its prefix. A prompt is a segment
without prefix, its K completions are K segments with it, so that the prompt is encoded once, and its gradient
is the sum over them. Positions go on from the prefix, as they would without sharing.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from trainer import elementwise, tree_forward
from trainer.tree_forward import Segment

NAME = "podium_tree"

# Queries at a time: the keys after a block's last query are never looked at.
_BLOCK = 128
# Scores at a time, a head: more at once are fewer calls, fewer stay in a processor's cache.
_SCORES = 1 << 18


class Packed(NamedTuple):
    """Prompts with their completions in one row: ids and positions (1, N), ends (M,) int64.

    M counts the completions of all prompts in order; each end is the place after a completion.
    """

    ids: Tensor
    positions: Tensor
    segments: list[Segment]
    ends: Tensor


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
            taken = bool(backbone.config._attn_implementation == NAME)
            if taken:
                elementwise.put_in(backbone, compute, expected)
            return taken
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
        # By groups of heads that share a key: (G, N, H/G, d).
        q = (query * scale).reshape(len(key), -1, *query.shape[1:]).transpose(1, 2).contiguous()
        ctx.save_for_backward(q, key, value)
        ctx.groups, ctx.scale = _groups(tuple(segments), query.device), scale
        if tree_forward.pays(query, segments):
            return tree_forward.attend(query, key, value, segments, scale)
        out = torch.empty_like(q)
        for group in ctx.groups:
            found = torch.bmm(_weights(q, key, group), _of(value, group))
            out.index_copy_(1, group.rows, found.view(len(q), -1, *q.shape[2:]))
        return out.transpose(1, 2).reshape(query.shape)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        q, key, value = ctx.saved_tensors
        grad = grad.reshape(len(key), -1, *grad.shape[1:]).transpose(1, 2).contiguous()
        grad_q = torch.empty_like(q)
        # A prompt's keys gather from all its completions: in float32, whatever the forward pass had.
        grad_key, grad_value = (torch.zeros_like(t, dtype=torch.float32) for t in (key, value))
        for group in ctx.groups:
            weights, above = _weights(q, key, group), _rows(grad, group)
            _add(grad_value, group, torch.bmm(weights.transpose(1, 2), above))
            towards = torch.bmm(above, _of(value, group).transpose(1, 2))
            towards = torch._softmax_backward_data(towards, weights, -1, weights.dtype)
            _add(grad_key, group, torch.bmm(towards.transpose(1, 2), _rows(q, group)))
            found = torch.bmm(towards, _of(key, group))
            grad_q.index_copy_(1, group.rows, found.view(len(q), -1, *q.shape[2:]))
        grad_q = (grad_q * ctx.scale).transpose(1, 2).reshape(-1, key.shape[1], key.shape[2])
        return grad_q, grad_key.to(key.dtype), grad_value.to(value.dtype), None, None


class _Block(NamedTuple):
    """Queries that are looked at together, and the keys that the last of them sees: prefix, then own."""

    rows: range
    prefix: range
    own: range

    @property
    def size(self) -> tuple[int, int]:
        return len(self.rows), len(self.prefix) + len(self.own)


class _Group(NamedTuple):
    """n blocks of R queries that see S keys: the places of all queries (n * R,) and of all keys (n * S,)."""

    blocks: list[_Block]
    rows: Tensor
    keys: Tensor
    later: Tensor
    """(R, 1, R): which of the last R keys each query does not see."""


@lru_cache(maxsize=4)
def _groups(segments: tuple[Segment, ...], device: torch.device) -> list[_Group]:
    """Return the blocks of a row, those of one size together as far as _SCORES allows."""
    by_size: dict[tuple[int, int], list[_Block]] = {}
    for block in _blocks(segments):
        by_size.setdefault(block.size, []).append(block)
    groups = []
    for (size, seen), blocks in by_size.items():
        later = torch.ones(size, size, dtype=torch.bool, device=device).triu(1)[:, None]
        together = max(1, _SCORES // (size * seen))
        for some in (blocks[first : first + together] for first in range(0, len(blocks), together)):
            rows = [place for block in some for place in block.rows]
            keys = [place for block in some for place in (*block.prefix, *block.own)]
            places = (torch.tensor(numbers, device=device) for numbers in (rows, keys))
            groups.append(_Group(some, *places, later))
    return groups


def _blocks(segments: Sequence[Segment]) -> Iterator[_Block]:
    for segment in segments:
        prefix = range(segment.prefix_start, segment.prefix_end)
        for start in range(segment.start, segment.end, _BLOCK):
            end = min(start + _BLOCK, segment.end)
            yield _Block(range(start, end), prefix, range(segment.start, end))


def _of(keys: Tensor, group: _Group) -> Tensor:
    """Return (G * n, S, d): what each block's queries see, of (G, N, d)."""
    return keys.index_select(1, group.keys).view(len(keys) * len(group.blocks), -1, keys.shape[2])


def _rows(queries: Tensor, group: _Group) -> Tensor:
    """Return (G * n, R * H/G, d): each block's queries, of (G, N, H/G, d)."""
    return queries.index_select(1, group.rows).view(len(queries) * len(group.blocks), -1, queries.shape[3])


def _add(total: Tensor, group: _Group, parts: Tensor) -> None:
    """Add (G * n, S, d) to the keys it belongs to."""
    by_block = parts.view(len(total), len(group.blocks), -1, total.shape[2]).unbind(1)
    for block, part in zip(group.blocks, by_block, strict=True):
        before = len(block.prefix)
        if before:
            total[:, block.prefix.start : block.prefix.stop] += part[:, :before]
        total[:, block.own.start : block.own.stop] += part[:, before:]


def _weights(q: Tensor, key: Tensor, group: _Group) -> Tensor:
    """Return (G * n, R * H/G, S): how much each query takes of each key; each row adds up to one."""
    scores = torch.bmm(_rows(q, group), _of(key, group).transpose(1, 2))
    size = len(group.later)
    by_head = scores.view(len(scores), size, q.shape[2], -1)
    by_head[..., -size:].masked_fill_(group.later, float("-inf"))
    return torch.softmax(scores, -1)
