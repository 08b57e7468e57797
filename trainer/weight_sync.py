"""Bringing the trainer's weights to the engine; probe.py makes sure that they arrived."""

import shutil
from pathlib import Path
from typing import NamedTuple, Self

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trainer import many
from trainer.engine import Engine, start_engine
from trainer.policy import save_policy


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
    folder = _export(policy, tokenizer, scratch / "0", dtype)
    if not many.is_first():
        return Elsewhere(folder, {"dtype": dtype})
    room = {"max_model_len": max_model_len, "memory_share": memory_share}
    return start_engine(folder, engine=engine, dtype=dtype, **room)


def sync(
    engine: Engine | Elsewhere, policy: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, version: int
) -> None:
    """Have the engine sample from the policy as it is now; version 1, 2, ... names the export."""
    old = engine.policy_dir
    new = _export(policy, tokenizer, old.parent / str(version), engine.description["dtype"])
    if isinstance(engine, Engine):
        engine.sync(new)
        shutil.rmtree(old)


def _export(policy: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path, dtype: str) -> Path:
    """Write the policy as the engine reads it: its head untied, else a reload would keep the old one."""
    save_policy(policy, tokenizer, folder, untied=True, dtype=getattr(torch, dtype))
    return folder
