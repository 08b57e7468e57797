"""A snapshot's files: the wire formats as they were written, all else made of them when first asked for."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple
from uuid import uuid4

from django.utils.translation import gettext as _

from annotate import datasets, tables
from annotate.derived import DERIVED
from annotate.errors import Refused
from annotate.models import Snapshot

MADE_AT_ONCE_BYTES = 4 * 1024 * 1024
"""What is made of so much is there within half a second; of more, a worker makes it."""
LINES_A_TELLING = 500

OnProgress = Callable[[int, int], None]


class SnapshotFile(NamedTuple):
    path: Path
    sha256: str


def file_of(snapshot: Snapshot, kind: str, form: str) -> SnapshotFile:
    """Return a file of one of datasets.KINDS in one of tables.FORMATS, made where it soon is.

    Raises:
        Refused: it is not made yet, and a worker has to be asked for it.
        FileNotFoundError: the snapshot's folder is not on this machine.
    """
    path = Path(snapshot.location) / f"{kind}.{form}"
    if is_wire(snapshot, kind, form):
        path.stat()
        return SnapshotFile(path, snapshot.manifest[kind]["sha256"])
    if not is_at_hand(snapshot, kind, form):
        raise Refused(_("This file is not made yet. Ask for it; a worker makes it, which takes a while."))
    make(snapshot, kind, form)
    return SnapshotFile(path, _beside(path).read_text().split()[0])


def is_wire(snapshot: Snapshot, kind: str, form: str) -> bool:
    return form == "jsonl" and kind in snapshot.manifest


def is_at_hand(snapshot: Snapshot, kind: str, form: str) -> bool:
    """Return whether a file is there, or would be in a moment."""
    path = Path(snapshot.location) / f"{kind}.{form}"
    return (
        is_wire(snapshot, kind, form)
        or snapshot.manifest[_source(kind)]["bytes"] <= MADE_AT_ONCE_BYTES
        or _beside(path).exists()
    )


def make(
    snapshot: Snapshot, kind: str, form: str, on_progress: OnProgress = lambda rows, total: None
) -> None:
    """Write a file that is not there and then its hash, as sha256sum writes it, each whole or not at all.

    on_progress is called now and then with how many rows of how many are read.
    """
    path = Path(snapshot.location) / f"{kind}.{form}"
    if _beside(path).exists():
        return
    total, digest = snapshot.manifest[_source(kind)]["rows"], hashlib.sha256()
    with path.with_name(f"{_source(kind)}.jsonl").open("rb") as wire, _written(path) as file:
        for chunk in tables.chunks(kind, form, datasets.derive(kind, _told(wire, total, on_progress))):
            file.write(chunk)
            digest.update(chunk)
    with _written(_beside(path)) as file:
        file.write(f"{digest.hexdigest()}  {path.name}\n".encode())


def clear_left(snapshot: Snapshot, kind: str, form: str) -> None:
    """Remove what a worker left that was killed while it made this file."""
    for left in Path(snapshot.location).glob(f"{kind}.{form}.*.partial"):
        left.unlink(missing_ok=True)


def _told(lines: Iterable[bytes], total: int, on_progress: OnProgress) -> Iterator[bytes]:
    for count, line in enumerate(lines, start=1):
        if count % LINES_A_TELLING == 0:
            on_progress(count, total)
        yield line
    on_progress(total, total)


def _source(kind: str) -> str:
    """Return the kind of wire format that a kind is made of."""
    return DERIVED[kind][0] if kind in DERIVED else kind


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


@contextmanager
def _written(path: Path) -> Iterator[BinaryIO]:
    partial = path.with_name(f"{path.name}.{uuid4().hex}.partial")
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
