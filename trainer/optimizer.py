"""AdamW, its learning rates, and its state as plain tensors."""

import math
from collections.abc import Iterable

import torch

from trainer import many


class NotFinite(Exception):
    """A gradient holds infinity or no number; the weights are still as they were."""


def make_optimizer(
    parameters: Iterable[torch.nn.Parameter],
    betas: tuple[float, float],
    eps: float,
    *,
    faster: tuple[float, torch.nn.Parameter] | None = None,
) -> torch.optim.AdamW:
    """Return Adam without weight decay; the rate is set anew at each step.

    faster names one of the parameters, and how many times the others' rate it learns at.
    Fused: seven times quicker than parameter by parameter, on a CPU too.
    """
    times, apart = faster or (1.0, None)
    groups = [{"params": [p for p in parameters if p is not apart], "times": 1.0}]
    if apart is not None:
        groups.append({"params": [apart], "times": times})
    return torch.optim.AdamW(groups, lr=0.0, betas=betas, eps=eps, weight_decay=0.0, fused=True)


def cosine_lr(peak: float, step: int, total: int, floor: float) -> float:
    """Return the rate of step 1..total: from the peak down to floor * peak, no warmup."""
    progress = (step - 1) / max(1, total - 1)
    return peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress)))


def warmup_lr(peak: float, step: int, warmup_steps: int) -> float:
    """Return the rate of step 1..: a tenth of the peak rising to it, then constant (C.4)."""
    if step > warmup_steps:
        return peak
    return peak * (0.1 + 0.9 * (step - 1) / warmup_steps)


def take_step(optimizer: torch.optim.AdamW, lr: float, max_grad_norm: float) -> float:
    """Apply the gradients gathered so far and drop them; return their norm before clipping.

    Raises NotFinite, with nothing applied.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    norm = many.whole(torch.nn.utils.clip_grad_norm_(parameters, max_grad_norm))
    if not torch.isfinite(norm):
        raise NotFinite("the gradient is not finite: lower the learning rate")
    for group in optimizer.param_groups:
        group["lr"] = lr * group["times"]
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return float(norm)


def optimizer_tensors(optimizer: torch.optim.AdamW, prefix: str) -> dict[str, torch.Tensor]:
    """Return the moments and step counts, named by the parameter's place."""
    state = optimizer.state_dict()["state"]
    return {
        f"{prefix}.{index}.{name}": tensor
        for index, entries in state.items()
        for name, tensor in entries.items()
    }


def restore_optimizer(optimizer: torch.optim.AdamW, tensors: dict[str, torch.Tensor], prefix: str) -> None:
    """Put back what optimizer_tensors gave, bit for bit."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, tensor in tensors.items():
        if key.startswith(f"{prefix}."):
            index, name = key.removeprefix(f"{prefix}.").split(".", 1)
            state.setdefault(int(index), {})[name] = tensor
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
