"""What the three import commands share: arguments, progress on stderr, the figures at the end."""

import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotate.actions.imports import import_by_name
from annotate.errors import Refused
from annotate.unpacking import PACKED
from annotate.wire import Kind

ADDED = ("prompts", "completions", "rankings", "demonstrations")


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="JSON Lines, plain or gzipped; CSV, Parquet, or a folder")
    parser.add_argument("--campaign", required=True, help="its name; one is made if there is none")
    parser.add_argument("--keep-good", action="store_true", help="add the good lines and list the others")


def run(command: BaseCommand, kind: Kind, options: dict[str, Any], sample: bool | None = None) -> None:
    """Import the file. Raises CommandError with the line and what to do; then nothing was added."""
    began = time.monotonic()
    path: Path = options["file"]
    try:
        done = import_by_name(
            kind,
            path,
            options["campaign"],
            sample=sample,
            keep_good=options["keep_good"],
            on_progress=_Teller(path),
        )
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error
    except Refused as error:
        raise CommandError(f"{path}: {error} Nothing was imported.") from error
    for problem in done.problems:
        print(problem, file=sys.stderr)
    seconds = time.monotonic() - began
    figures = ", ".join(f"{count} {name}" for name, count in done.counts.items() if name in ADDED)
    refused = f"; {done.refused} lines refused" if done.refused else ""
    command.stdout.write(f"{done.rows} rows in {seconds:.1f} s; added {figures}{refused}.")


class _Teller:
    """Says about every second how far the import is; of a packed file nobody knows its length beforehand."""

    def __init__(self, path: Path) -> None:
        is_packed = path.is_dir() or path.suffix in (".gz", *PACKED)
        self.size = None if is_packed else path.stat().st_size
        self.said_at = time.monotonic()

    def __call__(self, rows: int, size: int) -> None:
        if time.monotonic() - self.said_at > 1:
            self.said_at = time.monotonic()
            percent = f", {100 * size // max(self.size, 1)} % of the file" if self.size is not None else ""
            print(f"{rows} rows{percent}", file=sys.stderr)
