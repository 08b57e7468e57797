"""A snapshot's files: the wire formats as they were written, all else made of them when first asked for."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple
from uuid import uuid4

from annotate import datasets, tables
from annotate.derived import DERIVED
from annotate.models import Snapshot


class SnapshotFile(NamedTuple):
    path: Path
    sha256: str


def file_of(snapshot: Snapshot, kind: str, form: str) -> SnapshotFile:
    """Return a file of one of datasets.KINDS in one of tables.FORMATS, made where it is not there yet.

    Raises FileNotFoundError when the snapshot's folder is not on this machine.
    """
    path = Path(snapshot.location) / f"{kind}.{form}"
    if form == "jsonl" and kind in snapshot.manifest:
        path.stat()
        return SnapshotFile(path, snapshot.manifest[kind]["sha256"])
    beside = path.with_name(path.name + ".sha256")
    if not beside.exists():
        _make(path, beside)
    return SnapshotFile(path, beside.read_text().split()[0])


def _make(path: Path, beside: Path) -> None:
    """Write a file and then its hash, as sha256sum writes it, each there whole or not at all."""
    kind, form = path.stem, path.suffix.removeprefix(".")
    source = DERIVED[kind][0] if kind in DERIVED else kind
    digest = hashlib.sha256()
    with path.with_name(f"{source}.jsonl").open("rb") as wire, _written(path) as file:
        for chunk in tables.chunks(kind, form, datasets.derive(kind, wire)):
            file.write(chunk)
            digest.update(chunk)
    with _written(beside) as file:
        file.write(f"{digest.hexdigest()}  {path.name}\n".encode())


@contextmanager
def _written(path: Path) -> Iterator[BinaryIO]:
    partial = path.with_name(f"{path.name}.{uuid4().hex}.partial")
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
