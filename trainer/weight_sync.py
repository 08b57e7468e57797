"""Bringing the trainer's weights to the engine; probe.py makes sure that they arrived.

What adapters learned goes merged: with vLLM's own adapters sampling takes three times as long on a processor
(benchmarks/RESULTS.md).
"""

import shutil
from pathlib import Path
from typing import NamedTuple, Self

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trainer import many
from trainer.engine import Engine, start_engine
from trainer.policy import save_weights


class Elsewhere(NamedTuple):
    """The engine as the processes beside the first know it: many.from_first asks the real one."""

    policy_dir: Path
    description: dict[str, str]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_how: object) -> None:
        """Leave the engine to the first process."""


def start_on(
    policy: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    scratch: Path,
    *,
    engine: str,
    dtype: str,
    max_model_len: int,
    memory_share: float = 0.4,
) -> Engine | Elsewhere:
    """Start an engine on a policy in the trainer's memory, exported to scratch/0."""
    shutil.rmtree(scratch, ignore_errors=True)
    folder = scratch / "0"
    _write(policy, folder, dtype)
    if not many.is_first():
        return Elsewhere(folder, {"dtype": dtype})
    tokenizer.save_pretrained(folder)
    room = {"max_model_len": max_model_len, "memory_share": memory_share}
    return start_engine(folder, engine=engine, dtype=dtype, **room)


def sync(engine: Engine | Elsewhere, policy: PreTrainedModel, version: int) -> None:
    """Have the engine sample from the policy as it is now; version 1, 2, ... names the export."""
    old = engine.policy_dir
    new = old.parent / str(version)
    _write(policy, new, engine.description["dtype"])
    if isinstance(engine, Engine):
        _bring_the_rest(old, new)
        engine.sync(new)
        shutil.rmtree(old)


def _write(policy: PreTrainedModel, folder: Path, dtype: str) -> None:
    """Write the weights as the engine reads them: the head untied, else a reload would keep the old one."""
    save_weights(policy, folder, untied=True, dtype=getattr(torch, dtype))


def _bring_the_rest(old: Path, new: Path) -> None:
    """Copy what training leaves as it is: a tokenizer takes almost as long to write anew as the weights."""
    for file in old.iterdir():
        if not (new / file.name).exists():
            shutil.copyfile(file, new / file.name)
