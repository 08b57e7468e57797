"""Pure: JSON lines of a dataset as Parquet and as CSV, batch by batch in constant memory."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any

import orjson
import pyarrow as pa
import pyarrow.json as pa_json
import pyarrow.parquet as pq

FORMATS = ("jsonl", "parquet", "csv")
CONTENT_TYPES = {
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
    "csv": "text/csv; charset=utf-8",
}
BATCH_BYTES = 8 * 1024 * 1024
SENT_BYTES = 64 * 1024
FORMULA_BEGINNINGS = ("=", "+", "-", "@", "\t", "\r")

_TEXT = pa.string()
_MESSAGES = pa.list_(pa.struct([("role", _TEXT), ("content", _TEXT)]))
_SMALL = pa.list_(pa.int8())
_ABOUT = {"source": _TEXT, "author": _TEXT, "category": _TEXT, "language": _TEXT}
_ANSWER = {"prompt_id": _TEXT, "prompt": _MESSAGES, "completion": _MESSAGES, "split": _TEXT}
_RANKED = {
    "completions": pa.list_(pa.struct([("text", _TEXT), ("policy", _TEXT)])),
    "ranks": _SMALL,
    "labeler": _TEXT,
    "ratings": _SMALL,
    "flags": pa.list_(pa.list_(_TEXT)),
    "seconds": pa.float64(),
    "demonstration": _TEXT,
    "split": _TEXT,
}
_PAIR = {"prompt_id": _TEXT, "prompt": _MESSAGES, "chosen": _MESSAGES, "rejected": _MESSAGES}

SCHEMAS = {
    kind: pa.schema(list(columns.items()))
    for kind, columns in {
        "rankings": {"id": _TEXT, "prompt": _MESSAGES} | _ABOUT | _RANKED,
        "comparisons": _PAIR | {"labeler": _TEXT, "margin": pa.int8(), "split": _TEXT},
        "unpaired": _ANSWER | {"labeler": _TEXT, "label": pa.bool_()},
        "rated": _ANSWER | {"labeler": _TEXT},
        "demonstrations": {"id": _TEXT, "prompt": _MESSAGES} | _ABOUT | {"completion": _TEXT, "split": _TEXT},
        "sft": _ANSWER,
        "prompts": {"id": _TEXT, "prompt": _MESSAGES} | _ABOUT | {"split": _TEXT},
    }.items()
}
"""The columns of each kind; what a line leaves out is null."""


def write(kind: str, form: str, lines: Iterable[bytes], file: IO[bytes]) -> None:
    """Write a kind's lines in one of FORMATS."""
    file.writelines(chunks(kind, form, lines))


def chunks(kind: str, form: str, lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the bytes of a file of these lines in one of FORMATS, as they are made."""
    if form == "parquet":
        return parquet_chunks(kind, lines)
    return csv_lines(kind, lines) if form == "csv" else iter(lines)


def blocks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in blocks worth sending: uncompressed, each is a write to the socket."""
    waiting: list[bytes] = []
    size = 0
    for chunk in chunks:
        waiting.append(chunk)
        size += len(chunk)
        if size >= SENT_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)


def parquet_chunks(kind: str, lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a row group for each batch of lines, then the file's end."""
    schema = SCHEMAS[kind]
    parsing = pa_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error")
    written: list[bytes] = []
    with pq.ParquetWriter(_Sink(written), schema, compression="zstd") as writer:
        for batch in batches(lines):
            data = b"".join(batch)
            # One block a batch: a line must not be longer than a block.
            reading = pa_json.ReadOptions(use_threads=False, block_size=len(data) + 1)
            table = pa_json.read_json(io.BytesIO(data), read_options=reading, parse_options=parsing)
            writer.write_table(table.select(schema.names).cast(schema))
            yield from written
            written.clear()
    yield from written


def batches(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield lines in batches of about BATCH_BYTES, so that long ones fill no memory."""
    batch: list[bytes] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line)
        if size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def csv_lines(kind: str, lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a header and a CSV line for each line; one message is its text, other lists are JSON."""
    names = SCHEMAS[kind].names
    yield _csv_line(names)
    for line in lines:
        row = orjson.loads(line)
        yield _csv_line([_cell(row.get(name)) for name in names])


def safe_csv(rows: Iterable[Sequence[object]]) -> Iterator[bytes]:
    """Yield rows as CSV lines in which a spreadsheet finds no formula."""
    for row in rows:
        yield _csv_line([_cell(value) for value in row])


def _csv_line(cells: Sequence[object]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().encode()


def _cell(value: Any) -> object:
    """Return a value as a cell; what a spreadsheet would take for a formula begins with an apostrophe."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict) and "content" in value[0]:
        value = value[0]["content"]
    if isinstance(value, list):
        return orjson.dumps(value).decode()
    if isinstance(value, str) and value.startswith(FORMULA_BEGINNINGS):
        return "'" + value
    return value


class _Sink(io.RawIOBase):
    """A file that hands on what is written to it."""

    def __init__(self, written: list[bytes]) -> None:
        self.written = written

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.written.append(bytes(data))
        return len(data)
