"""A checkpoint is a folder, there whole or not at all; a stage at work has a state to resume.

A stage writes into DIR.partial and renames it when all is there. A saved state is one
safetensors file, replaced whole: tensors by name, everything else as JSON in its header.
"""

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from trainer import many
from trainer.data import BadInput

_STATE = Path("state", "state.safetensors")


@contextmanager
def writing(out: Path) -> Iterator[Path]:
    """Yield DIR.partial to write in, then rename it to DIR. Raises BadInput if DIR exists.

    Only one process at a time gets in; what an earlier, killed one left is still there. Where many do the
    stage together only the first writes there, and the others into a folder that nobody keeps.
    """
    if not many.is_first():
        with tempfile.TemporaryDirectory() as nowhere:
            yield Path(nowhere)
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.with_name(out.name + ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BadInput(f"--out {out}: another process is writing it") from error
        if out.exists():
            raise BadInput(f"--out {out}: exists already; name a new folder")
        partial = out.with_name(out.name + ".partial")
        partial.mkdir(exist_ok=True)
        yield partial
        assert (partial / "podium.json").exists(), "describe a checkpoint before its end"
        shutil.rmtree(partial / "state", ignore_errors=True)
        _sync(partial)
        partial.rename(out)


def _sync(folder: Path) -> None:
    """Have the files on disk before the name says that they are whole."""
    for path in [*folder.rglob("*"), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def begin(partial: Path, stage: str, config: Mapping[str, object], inputs: Mapping[str, Path | None]) -> None:
    """Write stage.json: what this folder is being made from.

    Raises BadInput if a checkpoint among the inputs is incomplete, or if the folder was begun from
    something else: going on would mix the two.
    """
    named = {name: path for name, path in inputs.items() if path is not None}
    for kind in named.keys() & {"policy", "reward_model"}:
        check(named[kind], kind)
    wanted = {
        "stage": stage,
        "config": dict(config),
        "inputs": {name: {"path": str(path), "sha256": sha256(path)} for name, path in named.items()},
    }
    file = partial / "stage.json"
    if file.exists() and _without_paths(json.loads(file.read_text())) != _without_paths(wanted):
        raise BadInput(
            f"{partial}: begun with another config or other inputs; "
            "delete it to start afresh, or name another --out"
        )
    write_json(file, wanted)


def _without_paths(facts: dict[str, dict[str, dict[str, str]]]) -> dict[str, object]:
    hashes = {name: value["sha256"] for name, value in facts["inputs"].items()}
    return {**facts, "inputs": hashes}


def describe(partial: Path, kind: str, result: Mapping[str, object]) -> None:
    """Write podium.json: what the checkpoint is, what it grew from, how it did."""
    begun = json.loads((partial / "stage.json").read_text())
    parent = begun["inputs"].get("policy", {}).get("path")
    facts = {"kind": kind, **begun, "parent": parent, "result": dict(result)}
    write_json(partial / "podium.json", facts)
    (partial / "stage.json").unlink()


def write_json(path: Path, value: object) -> None:
    """Replace a file whole."""
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(value, indent=2) + "\n")
    beside.replace(path)


def sha256(path: Path) -> str:
    """Return a file's hash, or that of a checkpoint's weights in the order of their names."""
    digest = hashlib.sha256()
    for file in sorted(path.glob("*.safetensors")) if path.is_dir() else [path]:
        try:
            with file.open("rb") as opened:
                while block := opened.read(1 << 20):
                    digest.update(block)
        except OSError as error:
            raise BadInput(f"{file}: cannot be read ({error.strerror})") from error
    return digest.hexdigest()


def check(folder: Path, kind: str) -> None:
    """Raise BadInput, naming what is missing, unless folder is a whole checkpoint of a kind.

    A policy may also come from elsewhere, without podium.json; a reward model may not.
    """
    if not folder.is_dir():
        raise BadInput(f"{folder}: no such checkpoint folder")
    missing = [name for name in _needed(folder, kind) if not (folder / name).exists()]
    if not any(folder.glob("*.safetensors")):
        missing.append("*.safetensors")
    if missing:
        raise BadInput(f"{folder}: incomplete checkpoint, missing {', '.join(missing)}")
    for file in sorted(folder.glob("*.safetensors")):
        _check_readable(file)
    found = _kind(folder)
    if found != kind:
        raise BadInput(f"{folder}: is a {found}, but a {kind} is needed")


def _needed(folder: Path, kind: str) -> list[str]:
    names = ["config.json", "tokenizer_config.json"]
    if kind == "reward_model":
        names += ["podium.json", "head.safetensors"]
    index = folder / "model.safetensors.index.json"
    if index.exists():
        names += sorted(set(json.loads(index.read_text())["weight_map"].values()))
    return names


def _check_readable(file: Path) -> None:
    try:
        with safe_open(file, framework="pt"):
            pass
    except SafetensorError as error:
        raise BadInput(f"{file}: damaged or cut short ({error})") from error


def _kind(folder: Path) -> str:
    facts = folder / "podium.json"
    return str(json.loads(facts.read_text())["kind"]) if facts.exists() else "policy"


def save_state(partial: Path, tensors: Mapping[str, torch.Tensor], facts: Mapping[str, object]) -> None:
    """Replace the saved state. The generator of torch's random numbers goes with it."""
    path = partial / _STATE
    path.parent.mkdir(exist_ok=True)
    beside = path.with_suffix(".new")
    # Parameters that share memory are stored once by name, so none may alias another.
    plain = {name: tensor.contiguous() for name, tensor in many.gathered(tensors).items()}
    if not many.is_first():
        return
    plain |= _random_states()
    save_file(plain, beside, metadata={"facts": json.dumps(dict(facts))})
    beside.replace(path)


def load_state(partial: Path) -> tuple[dict[str, torch.Tensor], dict[str, object]] | None:
    """Return (tensors, facts) of the saved state and restore torch's generators, or None."""
    state = many.from_first(lambda: _read_state(partial / _STATE))
    if state is None:
        return None
    tensors, facts = state
    torch.set_rng_state(tensors.pop("random.cpu"))
    if torch.cuda.is_available() and "random.cuda" in tensors:
        torch.cuda.set_rng_state(tensors.pop("random.cuda"))
    return tensors, facts


def _read_state(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, object]] | None:
    if not path.exists():
        return None
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        facts: dict[str, object] = json.loads(file.metadata()["facts"])
    return tensors, facts


def _random_states() -> dict[str, torch.Tensor]:
    states = {"random.cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["random.cuda"] = torch.cuda.get_rng_state()
    return states


def parameter_tensors(module: torch.nn.Module, prefix: str) -> dict[str, torch.Tensor]:
    """Return a module's parameters for save_state, tied ones once."""
    return {f"{prefix}.{name}": tensor for name, tensor in module.named_parameters()}


def restore_parameters(module: torch.nn.Module, tensors: Mapping[str, torch.Tensor], prefix: str) -> None:
    """Copy back, in place, what parameter_tensors gave."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_(many.as_shared(tensors[f"{prefix}.{name}"], parameter))
