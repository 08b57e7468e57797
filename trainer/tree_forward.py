"""Attention along a tree by torch's fused kernel for processors: forwards alone, no scores in memory.

What completions see of their prompt and what they see of themselves are worked out apart, the first for all
completions of a prompt at once, and brought together by how much weight each had: softmax's denominators.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor

_fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu


class Segment(NamedTuple):
    """Tokens start to end of the row, which continue those from prefix_start to prefix_end."""

    start: int
    end: int
    prefix_start: int = 0
    prefix_end: int = 0


def pays(query: Tensor, segments: Sequence[Segment]) -> bool:
    """Return whether the fused kernel is there and quicker: on a processor, where prompts are shared.

    Among short sequences without a prefix, products of many blocks at once are.
    """
    return query.device.type == "cpu" and any(one.prefix_end > one.prefix_start for one in segments)


def attend(query: Tensor, key: Tensor, value: Tensor, segments: Sequence[Segment], scale: float) -> Tensor:
    """Return (H, N, d) of query (H, N, d), key and value (G, N, d), H a multiple of G."""
    # By groups of heads that share a key, which is not copied for each of them: (G, H/G, N, d).
    q = query.view(len(key), -1, *query.shape[1:])
    k, v = (shared[:, None].expand(-1, q.shape[1], -1, -1) for shared in (key, value))
    out = torch.empty_like(q)
    weight = torch.empty(q.shape[:3], dtype=torch.float32)
    for one in segments:
        own = slice(one.start, one.end)
        out[:, :, own], weight[:, :, own] = _fused(*_rows(own, q, k, v), 0.0, True, scale=scale)
    for rows, prefix in _continued(segments):
        seen, its_weight = _fused(*_rows(rows, q), *_rows(prefix, k, v), 0.0, False, scale=scale)
        share = torch.sigmoid(its_weight - weight[:, :, rows])[..., None]
        out[:, :, rows] = torch.lerp(out[:, :, rows].float(), seen.float(), share).to(out.dtype)
    return out.view(query.shape)


def _rows(rows: slice, *tensors: Tensor) -> tuple[Tensor, ...]:
    return tuple(tensor[:, :, rows] for tensor in tensors)


def _continued(segments: Sequence[Segment]) -> Iterator[tuple[slice, slice]]:
    """Yield the queries of all completions of a prompt, which stand side by side, and that prompt."""
    for prefix, some in groupby(segments, lambda one: (one.prefix_start, one.prefix_end)):
        if prefix[0] < prefix[1]:
            completions = list(some)
            yield slice(completions[0].start, completions[-1].end), slice(*prefix)
