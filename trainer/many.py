"""A stage as several processes: each holds a share of every weight, and learns from a share of each batch.

`accelerate launch` or torchrun starts them. Weights, gradients and optimizer states are sharded (FSDP2), and
gradients are summed, so that N processes do what one does. What is not shared out all do alike; files are
written, and the engine is held, by the first alone. In one process everything here is as good as not there.
"""

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from types import MethodType
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor

from trainer.data import BadInput

T = TypeVar("T")


def count() -> int:
    """Return how many processes do the stage together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_first() -> bool:
    return not dist.is_initialized() or dist.get_rank() == 0


@contextmanager
def together(stage: str) -> Iterator[None]:
    """Inside, the processes that a launcher started know of each other: by nccl on GPUs, else by gloo.

    Raises BadInput for a stage that only samples.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    if stage not in ("sft", "reward", "ppo"):
        raise BadInput(f"{stage}: is done by one process; start it with python -m trainer")
    from accelerate import PartialState  # it takes seconds to import, for nothing in one process

    # The others wait while the first samples, and while its engine starts.
    PartialState(cpu=not torch.cuda.is_available(), timeout=timedelta(hours=2))
    if not is_first():
        logging.getLogger().setLevel(logging.WARNING)
    yield
    dist.destroy_process_group()


def shard(model: nn.Module, *methods: str) -> None:
    """Leave each process its share of a model: layer by layer, and what stands outside of them as one.

    A share is gathered while its layer computes. What is outside is there inside the methods named, and
    inside within().
    """
    if count() == 1:
        return
    layers = next(module for module in model.modules() if isinstance(module, nn.ModuleList))
    for part in (*layers, model):
        # By default the outermost stays gathered after a forward, and what is then written to it is lost.
        sharded = fully_shard(part, reshard_after_forward=True)
        # Losses are divided by counts of the whole batch, so gradients add up; gloo knows no other way.
        sharded.set_force_sum_reduction_for_comms(True)
        sharded.set_gradient_divide_factor(1.0)
    model._within = MethodType(_call, model)
    for name in (*methods, "_within"):
        register_fsdp_forward_method(model, name)


def _call(model: nn.Module, function: Callable[..., Any], *arguments: Any) -> Any:
    return function(model, *arguments)


def within(model: nn.Module, function: Callable[..., T], *arguments: Any) -> T:
    """Return function(model, ...) where the function may use any of a model's weights, sharded or not."""
    if isinstance(model, FSDPModule):
        found: T = model._within(function, *arguments)
        return found
    return function(model, *arguments)


def shares(groups: Sequence[T]) -> list[tuple[T, float]]:
    """Return this process's groups of a batch, each with what its loss counts.

    All processes take equally many, for they gather weights together: one that has none left takes the first
    again, which then counts 0.
    """
    if count() == 1:
        return [(group, 1.0) for group in groups]
    rank, rounds = dist.get_rank(), -(-len(groups) // count())
    places = [turn * count() + rank for turn in range(rounds)]
    return [(groups[place], 1.0) if place < len(groups) else (groups[0], 0.0) for place in places]


def summed(figures: Mapping[str, float]) -> dict[str, float]:
    """Return each figure's sum over the processes."""
    if count() == 1:
        return dict(figures)
    values = _on_device(torch.tensor(list(figures.values()), dtype=torch.float64))
    dist.all_reduce(values)
    return dict(zip(figures, values.tolist(), strict=True))


def largest(value: float) -> float:
    """Return the largest of the processes' values."""
    if count() == 1:
        return value
    found = _on_device(torch.tensor(value, dtype=torch.float64))
    dist.all_reduce(found, op=dist.ReduceOp.MAX)
    return float(found)


def add_up(*tensors: Tensor) -> None:
    """Put into each tensor, in place, its sum over the processes."""
    for tensor in tensors if count() > 1 else ():
        dist.all_reduce(tensor)


def from_first(make: Callable[[], T]) -> T:
    """Have the first process make something, and return it in all of them."""
    if count() == 1:
        return make()
    box = [make() if is_first() else None]
    dist.broadcast_object_list(box, device=_device())
    found: Any = box[0]
    return found  # type: ignore[no-any-return]


def whole(tensor: Tensor) -> Tensor:
    """Return a tensor with all processes' shares; all of them must ask."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def gathered(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return whole tensors by name in the first process, nothing in the others; all of them must ask."""
    found = {}
    for name, tensor in tensors.items():
        one = whole(tensor.detach())
        if is_first():
            found[name] = one if count() == 1 else one.cpu()
    return found


def as_shared(tensor: Tensor, like: Tensor) -> Tensor:
    """Return this process's share of a whole tensor, where the other one is shared out."""
    if not isinstance(like, DTensor):
        return tensor
    return distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements)


def _device() -> torch.device:
    return (
        torch.device("cuda", torch.cuda.current_device())
        if dist.get_backend() == "nccl"
        else torch.device("cpu")
    )


def _on_device(tensor: Tensor) -> Tensor:
    return tensor.to(_device())
