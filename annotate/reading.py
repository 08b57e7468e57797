"""Files in: JSON Lines, CSV, Parquet and Hugging Face folders, read as rows of the wire formats.

Every format comes down to lines of at most MAX_LINE_BYTES, so no file, however made, can fill the memory.
"""

import csv
import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, NoReturn, cast

import orjson
from django.utils.translation import gettext as _

from annotate import wire
from annotate.errors import Invalid
from annotate.unpacking import PACKED, unpacked_lines
from annotate.wire import Kind, Row

MAX_LINE_BYTES = 4 * 1024 * 1024
BUFFER_BYTES = 1024 * 1024
BOM = b"\xef\xbb\xbf"
SUFFIXES = (".jsonl", ".jsonl.gz", ".csv", *PACKED)

Lines = Iterator[tuple[int, bytes]]
OnBad = Callable[[int, str], None]
"""Told a bad line's number and what is wrong with it; the default raises Invalid with both."""

csv.field_size_limit(MAX_LINE_BYTES)


def read(
    kind: Kind,
    file: IO[bytes],
    max_bytes: int,
    on_bad: OnBad = wire.refuse_line,
    flags: frozenset[str] = wire.FLAGS,
) -> Iterator[Row]:
    """Yield the rows of a JSON Lines file, plain or gzipped, as they are read; empty lines are passed over.

    Args:
        flags: those that the file may raise.

    Raises:
        Invalid: it is no such file, or there is more than max_bytes (after unpacking).
    """
    return _rows(kind, _lines(_unzipped(file), max_bytes, on_bad), on_bad, flags)


def read_path(
    kind: Kind,
    path: Path,
    max_bytes: int,
    on_bad: OnBad = wire.refuse_line,
    flags: frozenset[str] = wire.FLAGS,
) -> Iterator[Row]:
    """Yield the rows of a file, by its name's end, or of all files of a Hugging Face folder."""
    if path.is_dir():
        files = sorted(each for each in path.rglob("*") if each.name.endswith(SUFFIXES))
        if not files:
            raise Invalid(_("The folder has no .jsonl, .csv, .parquet or .arrow file."))
        for each in files:
            yield from read_path(kind, each, max_bytes, on_bad, flags)
    elif path.name.endswith(PACKED):
        yield from _rows(kind, enumerate(unpacked_lines(path, MAX_LINE_BYTES, max_bytes), 1), on_bad, flags)
    else:
        with path.open("rb") as file:
            if path.name.endswith(".csv"):
                yield from _csv_rows(kind, _lines(file, max_bytes, wire.refuse_line), on_bad, flags)
            else:
                yield from read(kind, file, max_bytes, on_bad, flags)


def _rows(kind: Kind, lines: Lines, on_bad: OnBad, flags: frozenset[str]) -> Iterator[Row]:
    for number, line in lines:
        if line.isspace():
            continue
        try:
            row = wire.row(kind, number, len(line), _object(line), flags)
        except Invalid as error:
            on_bad(number, str(error))
        else:
            yield row


def _unzipped(file: IO[bytes]) -> IO[bytes]:
    is_gzip = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    # GzipFile and what uploads are kept in read like raw files, which is all that a buffer asks of them.
    raw = cast(Any, gzip.GzipFile(fileobj=file) if is_gzip else file)
    return BufferedReader(raw, BUFFER_BYTES)


def _lines(file: IO[bytes], max_bytes: int, on_bad: OnBad) -> Lines:
    number = total = 0
    while line := _next_line(file, number + 1):
        number += 1
        total += len(line)
        if total > max_bytes:
            problem = _("the file is longer than %(limit)d bytes; cut it.") % {"limit": max_bytes}
            wire.refuse_line(number, problem)
        if len(line) > MAX_LINE_BYTES:
            on_bad(number, _("longer than %(limit)d bytes.") % {"limit": MAX_LINE_BYTES})
            total += _pass_over(file, number)
        else:
            yield number, line.removeprefix(BOM) if number == 1 else line


def _next_line(file: IO[bytes], number: int) -> bytes:
    try:
        return file.readline(MAX_LINE_BYTES + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        problem = _("the gzip file is damaged here (%(problem)s).") % {"problem": error}
        wire.refuse_line(number, problem)


def _pass_over(file: IO[bytes], number: int) -> int:
    """Read to the end of a line that is too long; return how many bytes that were."""
    size = 0
    while part := _next_line(file, number):
        size += len(part)
        if part.endswith(b"\n"):
            break
    return size


def _object(line: bytes) -> dict[str, Any]:
    """Return a line's object: by json where orjson refuses it or a key may stand twice."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        value = _strictly(line)
    if not isinstance(value, dict):
        raise Invalid(_("not a JSON object; each line is one, in braces."))
    if _wanted_keys(value) == _written_keys(line):
        return value
    return cast(dict[str, Any], _strictly(line))


def _wanted_keys(value: dict[str, Any]) -> int:
    """Return how many keys a row with these has: each message and each completion has two."""
    lists = [value.get(name) for name in ("prompt", "completions")]
    return len(value) + 2 * sum(len(each) for each in lists if type(each) is list)


def _written_keys(line: bytes) -> int:
    """Return how many keys the text has, none lost that stand twice; -1 where counting takes a parser.

    Within a text a quotation mark follows a backslash, so `":` without one before it ends a key.
    """
    if _SPACE_BEFORE_COLON.search(line):
        return -1
    return line.count(b'":') - line.count(b'\\":')


_SPACE_BEFORE_COLON = re.compile(rb'"\s+:')


def _strictly(line: bytes) -> object:
    try:
        return json.loads(line.decode(), object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        where = {"byte": error.start + 1}
        raise Invalid(_("byte %(byte)d is not UTF-8; save the file as UTF-8.") % where) from error
    except json.JSONDecodeError as error:
        words = {"problem": error.msg, "column": error.colno}
        raise Invalid(_("not JSON: %(problem)s at column %(column)d.") % words) from error
    except RecursionError as error:
        raise Invalid(_("nested too deeply.")) from error
    except ValueError as error:
        raise Invalid(_("a number in it is too long.")) from error


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise Invalid(_("a key stands twice in one object."))
    return values


def _refuse_constant(name: str) -> NoReturn:
    raise Invalid(_("%(name)s is not JSON; leave the key out.") % {"name": name})


def _csv_rows(kind: Kind, lines: Lines, on_bad: OnBad, flags: frozenset[str]) -> Iterator[Row]:
    """Yield a CSV file's rows: its first line names the keys; an empty cell is a key left out."""
    reader = csv.reader(_decoded(lines), strict=True)
    names: list[str] = []
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader)
            if not names:
                names = cells
            elif cells:
                yield wire.row(kind, number, sum(map(len, cells)), _from_cells(names, cells), flags)
        except StopIteration:
            return
        except csv.Error as error:
            wire.refuse_line(number, _("not CSV: %(problem)s.") % {"problem": error})
        except Invalid as error:
            on_bad(number, str(error))


def _decoded(lines: Lines) -> Iterator[str]:
    for number, line in lines:
        try:
            yield line.decode()
        except UnicodeDecodeError as error:
            where = {"byte": error.start + 1}
            wire.refuse_line(number, _("byte %(byte)d is not UTF-8; save the file as UTF-8.") % where)


def _from_cells(names: list[str], cells: list[str]) -> dict[str, Any]:
    if len(cells) != len(names):
        words = {"cells": len(cells), "names": len(names)}
        raise Invalid(_("%(cells)d cells under %(names)d names.") % words)
    return {name: _from_cell(name, cell) for name, cell in zip(names, cells, strict=True) if cell}


def _from_cell(name: str, cell: str) -> Any:
    """Return a cell's value: lists and numbers are JSON, a prompt may be its one message's text."""
    if name == "prompt" and not cell.startswith("[{"):
        return [{"role": "user", "content": cell}]
    if name in ("prompt", "completions", "ranks", "ratings", "flags", "seconds"):
        try:
            return _strictly(cell.encode())
        except Invalid as error:
            raise Invalid(_("%(name)s: %(problem)s") % {"name": name, "problem": error}) from error
    return cell
