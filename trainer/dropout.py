"""Residual dropout for any decoder, where a stage wants it (InstructGPT, C.1); models here have none else."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from transformers import PreTrainedModel

from trainer.data import BadInput

# What adds to the residual stream, as GPT-2, OPT, GPT-NeoX, Llama and Qwen call it.
_BRANCHES = {"attn", "self_attn", "attention", "mlp", "fc2"}


@contextmanager
def residual_dropout(backbone: PreTrainedModel, probability: float) -> Iterator[None]:
    """Inside, drop that share of what each layer's attention and MLP add; outside nothing is dropped."""

    def drop(module: nn.Module, inputs: object, output: object) -> object:
        if isinstance(output, tuple | list):
            # GPT-1 adds lists to it, the others take tuples apart.
            return type(output)([nn.functional.dropout(output[0], probability), *output[1:]])
        assert isinstance(output, torch.Tensor), "a branch gives a tensor, or begins with one"
        return nn.functional.dropout(output, probability)

    hooks = [branch.register_forward_hook(drop) for branch in _branches(backbone)] if probability else []
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _branches(backbone: PreTrainedModel) -> list[nn.Module]:
    layers = next(module for module in backbone.modules() if isinstance(module, nn.ModuleList))
    found = [child for layer in layers for name, child in layer.named_children() if name in _BRANCHES]
    if not found:
        raise BadInput("residual_dropout: the layers of this architecture are not known; set it to 0")
    return found
