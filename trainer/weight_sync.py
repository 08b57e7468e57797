"""Bringing the trainer's weights to the engine; probe.py makes sure that they arrived.

What adapters learned goes merged: with vLLM's own adapters sampling takes three times as long on a processor
(benchmarks/RESULTS.md).
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Self

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trainer import many
from trainer.engine import Engine, start_engine
from trainer.policy import save_weights, whole_weights, write_weights


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
    # The head untied, else a reload would keep the old one.
    save_weights(policy, folder, untied=True, dtype=getattr(torch, dtype))
    if not many.is_first():
        return Elsewhere(folder, {"dtype": dtype})
    tokenizer.save_pretrained(folder)
    room = {"max_model_len": max_model_len, "memory_share": memory_share}
    return start_engine(folder, engine=engine, dtype=dtype, **room)


def sync(engine: Engine | Elsewhere, policy: PreTrainedModel, version: int) -> None:
    """Have the engine sample from the policy as it is now; version 1, 2, ... names the export."""
    weights = whole_weights(policy, untied=True, dtype=getattr(torch, engine.description["dtype"]))
    if not isinstance(engine, Engine):
        return
    old = engine.policy_dir
    new = old.parent / str(version)
    if not _written_over(old, new, weights):
        write_weights(policy, weights, new, untied=True)
    _bring_the_rest(old, new)
    engine.sync(new)
    shutil.rmtree(old)


def _written_over(old: Path, new: Path, weights: Mapping[str, Tensor]) -> bool:
    """Move old weights to a new folder and write over them, if they are the same ones by name and size.

    Their pages are in memory already; fetching as many for another file takes longer than all the rest.
    """
    places = {file: _places(file) for file in old.glob("*.safetensors")}
    there = {name: size for file in places.values() for name, (_start, size) in file.items()}
    if there != {name: tensor.nbytes for name, tensor in weights.items()}:
        return False
    new.mkdir()
    for file, inside in places.items():
        moved = file.rename(new / file.name)
        with moved.open("r+b") as out:
            for name, (start, _size) in inside.items():
                out.seek(start)
                out.write(weights[name].cpu().contiguous().flatten().view(torch.uint8).numpy())
    return True


def _places(file: Path) -> dict[str, tuple[int, int]]:
    """Return where each tensor of a safetensors file begins, and its size, in bytes, by its header."""
    with file.open("rb") as read:
        length = int.from_bytes(read.read(8), "little")
        header = json.loads(read.read(length))
    header.pop("__metadata__", None)
    offsets = {name: tensor["data_offsets"] for name, tensor in header.items()}
    return {name: (8 + length + start, end - start) for name, (start, end) in offsets.items()}


def _bring_the_rest(old: Path, new: Path) -> None:
    """Copy what training leaves as it is: a tokenizer takes almost as long to write anew as the weights."""
    for file in old.iterdir():
        if not (new / file.name).exists():
            shutil.copyfile(file, new / file.name)
