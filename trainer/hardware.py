"""Which device a stage computes on, and in what precision."""

import torch


def device() -> torch.device:
    """Return the first GPU, or the processor where there is none."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast(dtype: str) -> torch.autocast:
    """Return the context for forward passes; weights and gradients stay float32."""
    return torch.autocast(device().type, dtype=torch.bfloat16, enabled=dtype == "bfloat16")
