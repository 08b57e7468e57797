"""Logprobs and entropy from logits, in as few passes over a vocabulary's width as they need."""

from typing import Any

import torch
from torch import Tensor


class TokenLogprobs(torch.autograd.Function):
    """logits (N, V) in any precision and ids (N,) to (logprobs, entropy), both (N,) float32, in nats.

    Entropy has no gradient. The gradient of a logprob is one at its token less the probabilities, which are
    at hand: taking the way back through log_softmax and gather passes over (N, V) three times more.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, ids: Tensor, temperature: float) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        scaled = logits.float() if temperature == 1 else logits.float() / temperature
        probabilities = scaled.softmax(-1)
        # The likeliest token's probability is never too small to take the logarithm of.
        largest, likeliest = scaled.max(-1, keepdim=True)
        log_sum = (largest - probabilities.gather(1, likeliest).log()).squeeze(1)
        chosen = scaled.gather(1, ids[:, None]).squeeze(1) - log_sum
        ctx.save_for_backward(probabilities, ids)
        ctx.temperature, ctx.dtype = temperature, logits.dtype
        entropy = log_sum - (probabilities * scaled).sum(-1)
        ctx.mark_non_differentiable(entropy)
        return chosen, entropy

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _entropy: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        probabilities, ids = ctx.saved_tensors
        grad = grad[:, None] / ctx.temperature
        towards = probabilities * -grad
        towards.scatter_add_(1, ids[:, None], grad)
        return towards.to(ctx.dtype), None, None
