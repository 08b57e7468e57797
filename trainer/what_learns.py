"""What of a model learns: all of it, its last layers, or LoRA beside it; and what memory holds for that."""

from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from trainer.data import BadInput
from trainer.lora import add_adapters


def choose_what_learns(
    backbone: PreTrainedModel,
    *,
    trained_layers: int | None = None,
    lora_rank: int = 0,
    gradient_checkpointing: bool = False,
) -> None:
    """Prepare a backbone to learn as a stage's config says. Raises BadInput for what does not go together."""
    if lora_rank and trained_layers is not None:
        raise BadInput("lora_rank: adapters stand in all layers; leave trained_layers unset")
    if trained_layers is not None:
        freeze_but_last(backbone, trained_layers)
    if lora_rank:
        add_adapters(backbone, lora_rank)
    if gradient_checkpointing:
        _checkpoint_gradients(backbone)


def _checkpoint_gradients(backbone: PreTrainedModel) -> None:
    if not backbone.supports_gradient_checkpointing:
        raise BadInput("gradient_checkpointing: this architecture does not have it")
    backbone.gradient_checkpointing_enable({"use_reentrant": False})
    for layer in backbone.modules():
        if isinstance(layer, GradientCheckpointingLayer):
            # Only training layers do it; what is inside them stays as it is, without dropout.
            layer.training = True


def layers_of(backbone: PreTrainedModel) -> nn.ModuleList:
    """Return a decoder's layers: families call them by different names, but all keep them in a list."""
    return next(module for module in backbone.modules() if isinstance(module, nn.ModuleList))


def freeze_but_last(backbone: PreTrainedModel, layers: int) -> None:
    """Let only the last layers, and what follows them, learn; all of a model that has no more than these."""
    blocks = layers_of(backbone)
    if len(blocks) <= layers:
        return
    first = next(blocks[len(blocks) - layers].parameters())
    for parameter in backbone.parameters():
        if parameter is first:
            return
        parameter.requires_grad_(False)
