"""Parquet and Arrow files as JSON lines, unpacked by a child process whose memory is bounded.

A file of a kilobyte can unpack to terabytes, and Arrow's reader is not made for files that lie. Here the
child dies in place of the worker, and the file is refused with a sentence.
"""

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from annotate.errors import Invalid

PACKED = (".parquet", ".arrow")
ROWS_AT_A_TIME = 256
CHILD_BYTES = 2 * 1024**3
"""Of address space, most of which Arrow only reserves."""


def unpacked_lines(path: Path, max_line_bytes: int, max_bytes: int) -> Iterator[bytes]:
    """Yield each row as a JSON line; what is null is left out.

    Raises Invalid when the file is no Parquet or Arrow file, is damaged, or takes more than the memory given.
    """
    from django.utils.translation import gettext as _

    command = [sys.executable, "-m", "annotate.unpacking", str(path.resolve())]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None and child.stderr is not None, "both are pipes"
    total = 0
    try:
        while line := child.stdout.readline(max_line_bytes + 1):
            total += len(line)
            if len(line) > max_line_bytes:
                raise Invalid(_("A row is longer than %(limit)d bytes.") % {"limit": max_line_bytes})
            if total > max_bytes:
                raise Invalid(
                    _("The file unpacks to more than %(limit)d bytes; cut it.") % {"limit": max_bytes}
                )
            yield line
        said = child.stderr.read(2000).decode(errors="replace").strip()
        if child.wait():
            words = {"name": path.name, "problem": said.splitlines()[-1] if said else _("out of memory")}
            raise Invalid(_("%(name)s cannot be unpacked: %(problem)s.") % words)
    finally:
        child.kill()
        child.communicate()


def write_lines(path: Path, out: BinaryIO) -> None:
    for batch in _batches(path):
        for row in batch.to_pylist():
            out.write(orjson.dumps(_without_nulls(row), option=orjson.OPT_APPEND_NEWLINE))


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    if path.suffix == ".parquet":
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(ROWS_AT_A_TIME, use_threads=False)
    else:
        with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as stream:
            yield from stream


def _without_nulls(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def main() -> int:
    resource.setrlimit(resource.RLIMIT_AS, (CHILD_BYTES, CHILD_BYTES))
    try:
        write_lines(Path(sys.argv[1]), sys.stdout.buffer)
    except (pa.ArrowException, OSError, MemoryError, TypeError, ValueError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
