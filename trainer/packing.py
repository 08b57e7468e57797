"""Batches through a backbone without their padding: one row of sequences, each attending to itself alone."""

from collections.abc import Sequence
from os.path import commonprefix

import torch
from transformers import PreTrainedModel

from trainer import tree_attention
from trainer.hardware import device
from trainer.tokens import Batch, collate
from trainer.tree_attention import Segment, pack


def hidden_states(backbone: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Return (B, L, d): what the backbone makes of each token; of no use where a row is padding."""
    if backbone.config._attn_implementation != tree_attention.NAME:
        # No mask: under causal attention padding on the right cannot reach what is before it.
        padded: torch.Tensor = backbone(input_ids=batch.ids, use_cache=False).last_hidden_state
        return padded
    columns = torch.arange(batch.ids.shape[1], device=batch.ids.device)
    real = columns < batch.lengths[:, None]
    ends = batch.lengths.cumsum(0).tolist()
    row = backbone(
        input_ids=batch.ids[real][None],
        position_ids=columns.expand_as(real)[real][None],
        segments=[Segment(start, end) for start, end in zip([0, *ends], ends, strict=False)],
        use_cache=False,
    ).last_hidden_state[0]
    return row.new_zeros(*real.shape, row.shape[-1]).index_put((real,), row)


def last_hidden_states(backbone: PreTrainedModel, texts: Sequence[list[int]]) -> torch.Tensor:
    """Return (texts, d): what the backbone makes of the last token of each text.

    Where it computes without padding, what all texts begin with is computed once: prompts share a system's
    message, or what a chat template puts before each.
    """
    if backbone.config._attn_implementation != tree_attention.NAME:
        batch = collate([(text, []) for text in texts], 0).to(backbone.device)
        hidden = hidden_states(backbone, batch)
        return hidden[torch.arange(len(texts), device=hidden.device), batch.lengths - 1]
    shared = min(len(commonprefix(texts)), min(map(len, texts)) - 1)
    row = pack([(texts[0][:shared], [text[shared:] for text in texts])], backbone.device)
    found = backbone(
        input_ids=row.ids, position_ids=row.positions, segments=row.segments, use_cache=False
    ).last_hidden_state
    return found[0, row.ends - 1]


@torch.no_grad()
def pack_rows(backbone: PreTrainedModel, longest: list[int]) -> bool:
    """Have the backbone compute without padding where that is quicker and right; return whether it will.

    Quicker on a CPU, where products of matrices beat torch's own attention (23 % of an SFT step); elsewhere
    that has its own fast kernels. Right if the longest text, and one beside it, come out as they do padded.
    """
    if device().type != "cpu":
        return False
    batch = collate([(longest, []), (longest[: len(longest) // 2 + 1], [])], 0)
    real = torch.arange(batch.ids.shape[1]) < batch.lengths[:, None]
    expected = hidden_states(backbone, batch)[real]
    return tree_attention.put_in(backbone, lambda: hidden_states(backbone, batch)[real], expected)
