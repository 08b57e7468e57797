"""What a backbone does between its products of matrices, in fewer passes over memory on a processor.

Under autocast transformers' layers work these out in float32 and round them for what follows, once for each
product that reads them.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

# Rows at a time: what stays in a core's cache from the first look at a row to the last.
_ROWS = 512


def put_in(backbone: PreTrainedModel, compute: Callable[[], Tensor], expected: Tensor) -> None:
    """Have a backbone's layers norm and rotate so, if what it computes stays as expected; on a processor."""
    if backbone.device.type != "cpu":
        return
    norms = list(_norms(backbone))
    for norm in norms:
        norm.forward = partial(_norm, norm)
    if not torch.allclose(expected, compute(), atol=1e-3, rtol=1e-3):
        # A norm of another kind under the same name.
        for norm in norms:
            del norm.forward
    for module in backbone.modules():
        if type(module).__name__.endswith("RotaryEmbedding"):
            module.register_forward_hook(_round_angles)


def _norms(backbone: PreTrainedModel) -> Iterator[nn.Module]:
    """Yield the norms within layers; the one after the last is read in float32."""
    for layer in backbone.modules():
        if isinstance(layer, GradientCheckpointingLayer):
            for module in layer.modules():
                if type(module).__name__.endswith("RMSNorm") and hasattr(module, "variance_epsilon"):
                    yield module


def _norm(module: nn.Module, hidden: Tensor) -> Tensor:
    out: Tensor = RmsNorm.apply(hidden, module.weight, module.variance_epsilon, _precision(hidden))
    return out


def _round_angles(module: nn.Module, args: object, angles: Any) -> Any:
    """Rotate queries and keys in autocast's precision, as a model does that was loaded in it."""
    if not isinstance(angles, tuple):
        return angles  # complex numbers, of which there are none in bfloat16
    return tuple(angle.to(_precision(angle)) for angle in angles)


def _precision(tensor: Tensor) -> torch.dtype:
    kind = tensor.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else tensor.dtype


class RmsNorm(torch.autograd.Function):
    """hidden (..., d) over its root mean square, times weight (d,), in float32, to (..., d) of dtype.

    Zhang and Sennrich 2019, equation 4.
    """

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, hidden: Tensor, weight: Tensor, epsilon: float, dtype: torch.dtype
    ) -> Tensor:
        size = hidden.shape[-1]
        rows = hidden.reshape(-1, size)
        scale = torch.linalg.vector_norm(rows, dim=1, keepdim=True, dtype=torch.float32)
        scale = scale.square_().div_(size).add_(epsilon).rsqrt_()
        out = torch.empty(rows.shape, dtype=dtype, device=rows.device)
        for some in _blocks(len(rows)):
            out[some] = (rows[some] * scale[some]).mul_(weight)
        ctx.save_for_backward(rows, weight, scale)
        return out.view(hidden.shape)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        rows, weight, scale = ctx.saved_tensors
        above = grad.reshape(rows.shape)
        grad_rows = torch.empty_like(rows)
        grad_weight = torch.zeros_like(weight)
        for some in _blocks(len(rows)):
            normed, one = rows[some] * scale[some], above[some].float()
            grad_weight += (one * normed).sum(0)
            one = one * weight
            one.addcmul_(normed, (one * normed).mean(1, keepdim=True), value=-1)
            grad_rows[some] = one.mul_(scale[some])
        return grad_rows.view(grad.shape), grad_weight, None, None


def _blocks(count: int) -> Iterator[slice]:
    return (slice(first, first + _ROWS) for first in range(0, count, _ROWS))
