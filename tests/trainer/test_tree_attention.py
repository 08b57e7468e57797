"""Attention over packed sequences is dense attention under the tree's mask, forwards and backwards."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from trainer import tree_attention, tree_forward
from trainer.tree_attention import Segment, TreeAttention, pack

# Two prompts in a row, the first with two completions, the second with one; blocks of three queries.
PACKED = pack([([5] * 7, [[6] * 4, [7]]), ([8], [[9] * 5])], torch.device("cpu"))


def dense(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    sees = torch.zeros(18, 18, dtype=torch.bool)
    for segment in PACKED.segments:
        rows = slice(segment.start, segment.end)
        sees[rows, segment.prefix_start : segment.prefix_end] = True
        sees[rows, rows] = torch.ones(segment.end - segment.start, segment.end - segment.start).tril().bool()
    rows = (query[None], key[None], value[None])
    return scaled_dot_product_attention(*rows, attn_mask=sees, scale=0.5, enable_gqa=True)[0]


def test_a_row_holds_each_prompt_once_and_positions_go_on_from_it() -> None:
    assert PACKED.ids[0].tolist() == [5] * 7 + [6] * 4 + [7, 8] + [9] * 5
    assert PACKED.positions[0].tolist() == [*range(7), 7, 8, 9, 10, 7, 0, 1, 2, 3, 4, 5]
    assert PACKED.ends.tolist() == [11, 12, 18]
    assert PACKED.segments[:3] == [Segment(0, 7), Segment(7, 11, 0, 7), Segment(11, 12, 0, 7)]


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.06)])
def test_outputs_and_gradients_are_those_of_dense_attention(
    dtype: torch.dtype, tolerance: float, fused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree_attention, "_BLOCK", 3)
    monkeypatch.setattr(tree_forward, "pays", lambda *_: fused)
    generator = torch.Generator().manual_seed(0)
    rows = [torch.randn(heads, 18, 8, generator=generator).requires_grad_() for heads in (4, 2, 2)]
    wanted = torch.randn(4, 18, 8, generator=generator)
    expected = dense(*rows)
    gradients = torch.autograd.grad(expected, rows, wanted)
    found = TreeAttention.apply(*(row.to(dtype) for row in rows), PACKED.segments, 0.5)
    assert torch.allclose(found.float(), expected, atol=tolerance)
    for one, other in zip(torch.autograd.grad(found, rows, wanted.to(dtype)), gradients, strict=True):
        assert torch.allclose(one, other, atol=tolerance)


def test_the_fused_kernel_is_for_processors_and_shared_prompts() -> None:
    query = torch.empty(1, 2, 8)
    assert tree_forward.pays(query, PACKED.segments)
    assert not tree_forward.pays(query, [Segment(0, 1), Segment(1, 2)])
    assert not tree_forward.pays(query.to("meta"), PACKED.segments)
