"""Completions that a stage keeps to be read, one JSON object a line."""

from collections.abc import Mapping, Sequence

from transformers import PreTrainedTokenizerBase

from trainer.data import Prompt
from trainer.engine import Sampled
from trainer.metrics import MetricsLog
from trainer.tokens import decode


def keep(
    log: MetricsLog,
    step: int,
    prompts: Sequence[Prompt],
    drawn: Sequence[Sampled],
    found: Mapping[str, Sequence[float]],
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    """Write what was drawn for these prompts at a step, with what was found of each by name."""
    for place, (prompt, sampled) in enumerate(zip(prompts, drawn, strict=True)):
        log.write(
            step,
            id=prompt.id,
            prompt=prompt.prompt[-1]["content"],
            completion=decode(tokenizer, sampled.token_ids),
            finish_reason=sampled.finish_reason,
            tokens=len(sampled.token_ids),
            **{name: numbers[place] for name, numbers in found.items()},
        )
