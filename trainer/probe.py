"""Whether the engine samples from the policy as it is: its logprobs held against the trainer's own.

An engine that rounds is never quite at the trainer's logprobs, and one that missed a sync need not be far
from them, so distance alone cannot tell the two apart. What an engine rounds away, though, has nothing to do
with how training changed the logprobs; what it missed is just that change. So the probe also asks how much of
the change the engine missed: nothing if it is in step, all if it holds the weights of before. An output
layer alone that stays behind, as tied embeddings can, is a small part of it and is looked for by itself.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from trainer import many
from trainer.engine import Engine
from trainer.policy import next_logprobs, output_weights

TEXTS = 8
"""Prompts that are probed, of all lengths, the longest among them: on it a cache of older weights shows."""
TEXT_TOKENS = 64
"""Of longer prompts only the ends are probed, but for the longest: 16 whole ones took a fifth of a step."""
TOKENS = 64
"""Tokens whose logprobs are looked at after each prompt, spread over the vocabulary."""
TOLERANCE = {"float32": 1e-3, "bfloat16": 0.3}
"""Nats a token between engine and trainer, on average; 1e-5 in float32 if all is well, 0.06 in bfloat16."""
JUMP = 3.0
"""Times as far as after the sync before; rounding changes by less than 2 from one to the next."""
MISSED = 0.2
"""Share of a change that an engine may seem to miss; more counts where it is many standard errors."""
STANDARD_ERRORS = 8.0
"""So many, since they are estimated from few texts and a long run asks a thousand times."""


class SyncFailed(Exception):
    """The engine's logprobs are not the trainer's: it samples from something else."""


class Look(NamedTuple):
    """Logprobs of the same tokens after the same texts, (texts, tokens): the trainer's and the engine's."""

    ours: Tensor
    theirs: Tensor

    @property
    def error(self) -> Tensor:
        return self.theirs - self.ours


class Probe:
    """The texts that are looked at after each sync, what the first and the last look saw, the first head."""

    def __init__(self, prompts: Sequence[list[int]], vocabulary: int, temperature: float) -> None:
        ordered = sorted(prompts, key=len, reverse=True)
        longest, *others = ordered[:: -(-len(ordered) // TEXTS)]
        self.texts = [longest, *(text[-TEXT_TOKENS:] for text in others)]
        self.token_ids = list(range(0, vocabulary, -(-vocabulary // TOKENS)))
        self.temperature = temperature
        self.looks: list[Look] = []
        self.head: Tensor | None = None

    def check(self, engine: Engine, policy: PreTrainedModel) -> dict[str, float]:
        """Return how far the engine is from the policy, and how much of its last change it followed.

        Raises SyncFailed where either says that the engine samples from other weights.
        """
        dtype = engine.description["dtype"]
        asked = (self.texts, self.token_ids, self.temperature)
        with _rounded(policy, dtype):
            ours, with_old_head = next_logprobs(policy, *asked, old_head=self.head)
        look = Look(ours, torch.tensor(many.from_first(lambda: engine.next_logprobs(*asked))))
        figures = {"sync_difference": _difference(look, self.looks[-1:], TOLERANCE[dtype])}
        for before in self.looks:
            _check_missed(before, look, with_old_head, "its first output layer")
            figures["sync_followed"] = 1 - _check_missed(before, look, before.ours, "older weights")
        self.looks = [*self.looks[:1], look]
        if self.head is None:
            self.head = output_weights(policy).to(getattr(torch, dtype))
        return figures


def _difference(look: Look, before: Sequence[Look], tolerance: float) -> float:
    for last in before:
        usual = float(last.error.abs().mean())
        tolerance = min(tolerance, max(tolerance / 10, JUMP * usual))
    difference = float(look.error.abs().mean())
    if not difference <= tolerance:  # a NaN is no agreement
        raise SyncFailed(
            f"after the sync the engine is {difference:.4f} nats a token from the policy, over "
            f"{tolerance:.4f}: it samples from other weights"
        )
    return difference


def _check_missed(before: Look, now: Look, suspected: Tensor, what: str) -> float:
    share, error = missed(before, now, suspected)
    if share > max(MISSED, STANDARD_ERRORS * error):
        raise SyncFailed(
            f"after the sync the engine lacks {share:.2f} of the policy's change (standard error "
            f"{error:.2f}): it samples from {what}, or from a part of them"
        )
    return share


def missed(before: Look, now: Look, suspected: Tensor) -> tuple[float, float]:
    """Return how far the engine stands from the policy towards what is suspected, and its standard error.

    0 is in step; 1 is where the suspected logprobs are. It is the slope of the engine's error, what it had
    before the sync taken off, on what the error would be, by least squares. What all tokens after a text
    share is left out, since rounding moves them together, and texts are taken as the independent units.
    """
    would_be, is_now = _centred(suspected - now.ours), _centred(now.error - before.error)
    size = would_be.square().sum()
    if not size > 0:
        return 0.0, 0.0  # the policy did not move so, and there was nothing to miss
    share = (is_now * would_be).sum() / size
    rest = is_now - share * would_be
    by_text = (rest * would_be).sum(1).square().sum().sqrt()
    by_token = (rest.square().mean() * size).sqrt()
    return float(share), float(torch.maximum(by_text, by_token) / size)


def _centred(change: Tensor) -> Tensor:
    return change - change.mean(1, keepdim=True)


@contextmanager
def _rounded(model: nn.Module, dtype: str) -> Iterator[None]:
    """Inside, each module computes in float32 with its weights as an engine of that dtype holds them.

    Not in that dtype, though quicker: what the trainer itself rounds would look like a missed change.
    One module's at a time, while it computes: memory never holds a second model.
    """
    kept: dict[nn.Module, list[Tensor]] = {}

    def put(module: nn.Module, _inputs: Any) -> None:
        own = list(module.parameters(recurse=False))
        kept[module] = [parameter.data for parameter in own]
        for parameter in own:
            parameter.data = parameter.data.to(getattr(torch, dtype)).to(parameter.dtype)

    def take_back(module: nn.Module, _inputs: Any, _output: Any) -> None:
        for parameter, data in zip(module.parameters(recurse=False), kept.pop(module), strict=True):
            parameter.data = data

    rounding = [] if dtype == "float32" else [m for m in model.modules() if [*m.parameters(recurse=False)]]
    hooks = [module.register_forward_pre_hook(put) for module in rounding]
    hooks += [module.register_forward_hook(take_back, always_call=True) for module in rounding]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
