"""LoRA: small matrices learn in place of a model's own (Hu 2021); without them it is what it began as."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import Tensor
from transformers import PreTrainedModel


def add_adapters(model: PreTrainedModel, rank: int) -> None:
    """Put a pair of matrices beside each of the layers' own, and let nothing else learn.

    The second begins at zero, so the model computes what it did; their product counts twice (alpha).
    """
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=_matrices(model), bias="none")
    inject_adapter_in_model(config, model)
    for layer in _adapted(model):
        layer.eval()


def _matrices(model: PreTrainedModel) -> list[str]:
    """Return the names of the matrices inside the layers, whatever an architecture calls them."""
    blocks = next(module for module in model.modules() if isinstance(module, torch.nn.ModuleList))
    return sorted(
        {name for name, module in blocks.named_modules() if module.__class__.__name__ in ("Linear", "Conv1D")}
    )


@contextmanager
def without_adapters(model: torch.nn.Module) -> Iterator[None]:
    """Inside, a model is what it was before it began to learn; one without adapters stays as it is."""
    for layer in _adapted(model):
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in _adapted(model):
            layer.enable_adapters(True)


@torch.no_grad()
def merged_state(model: PreTrainedModel) -> dict[str, Tensor]:
    """Return a model's tensors under their usual names, what was learned added to them; the model stays."""
    learned = {
        f"{name}.weight": layer.get_delta_weight("default")
        for name, layer in model.named_modules()
        if isinstance(layer, LoraLayer)
    }
    state = {}
    for name, tensor in model.state_dict().items():
        if ".lora_" not in name:
            usual = name.replace(".base_layer.", ".")
            state[usual] = tensor + learned[usual] if usual in learned else tensor
    return state


def _adapted(model: torch.nn.Module) -> list[LoraLayer]:
    return [module for module in model.modules() if isinstance(module, LoraLayer)]
