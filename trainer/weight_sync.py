"""Bringing the trainer's weights to the engine; probe.py makes sure that they arrived."""

import shutil
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trainer.engine import Engine, start_engine
from trainer.policy import save_policy


def start_on(
    policy: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    scratch: Path,
    *,
    engine: str,
    dtype: str,
    max_model_len: int,
) -> Engine:
    """Start an engine on a policy in the trainer's memory, exported to scratch/0."""
    shutil.rmtree(scratch, ignore_errors=True)
    folder = _export(policy, tokenizer, scratch / "0", dtype)
    return start_engine(folder, engine=engine, dtype=dtype, max_model_len=max_model_len)


def sync(engine: Engine, policy: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, version: int) -> None:
    """Have the engine sample from the policy as it is now; version 1, 2, ... names the export."""
    old = engine.policy_dir
    engine.sync(_export(policy, tokenizer, old.parent / str(version), engine.description["dtype"]))
    shutil.rmtree(old)


def _export(policy: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path, dtype: str) -> Path:
    """Write the policy as the engine reads it: its head untied, else a reload would keep the old one."""
    save_policy(policy, tokenizer, folder, untied=True, dtype=getattr(torch, dtype))
    return folder
