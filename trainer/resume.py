"""What a stage needs to go on bit for bit after a kill: its models, optimizers and averages.

Data cursors and rates follow from a step's number, and nothing draws from the generators of numpy or of
Python's random module, so a number and torch's own generators complete the state.
"""

import logging
from pathlib import Path

import torch

from trainer import checkpoints, many
from trainer.optimizer import optimizer_tensors, restore_optimizer

Part = torch.nn.Module | torch.optim.AdamW | dict[str, torch.Tensor]


def save(partial: Path, step: int, **parts: Part) -> None:
    """Replace the saved state by that of these parts after step, each under its name."""
    tensors: dict[str, torch.Tensor] = {}
    for name, part in parts.items():
        tensors |= _tensors(name, part)
    checkpoints.save_state(partial, tensors, {"step": step})


def restore(partial: Path, **parts: Part) -> int:
    """Put the saved state back into the same parts, in place; return its step, 0 where nothing is saved."""
    state = checkpoints.load_state(partial)
    if state is None:
        return 0
    tensors, facts = state
    for name, part in parts.items():
        _put_back(name, part, tensors)
    logging.info("going on after step %s", facts["step"])
    return int(str(facts["step"]))


def _tensors(name: str, part: Part) -> dict[str, torch.Tensor]:
    if isinstance(part, torch.nn.Module):
        return checkpoints.parameter_tensors(part, name)
    if isinstance(part, torch.optim.AdamW):
        return optimizer_tensors(part, name)
    return {f"{name}.{key}": tensor for key, tensor in part.items()}


def _put_back(name: str, part: Part, tensors: dict[str, torch.Tensor]) -> None:
    if isinstance(part, torch.nn.Module):
        checkpoints.restore_parameters(part, tensors, name)
    elif isinstance(part, torch.optim.AdamW):
        restore_optimizer(part, _shared_out(part, tensors, name), name)
    else:
        for key, tensor in part.items():
            tensor.copy_(many.as_shared(tensors[f"{name}.{key}"], tensor))


def _shared_out(
    optimizer: torch.optim.AdamW, tensors: dict[str, torch.Tensor], name: str
) -> dict[str, torch.Tensor]:
    """Return what an optimizer is to get back, the moments shared out as their parameters are."""
    learning = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    found = {}
    for key, tensor in tensors.items():
        if key.startswith(f"{name}."):
            place = int(key.removeprefix(f"{name}.").split(".")[0])
            found[key] = many.as_shared(tensor, learning[place]) if tensor.dim() else tensor
    return found
