"""What the three import commands share: arguments, progress on stderr, the figures at the end."""

import sys
import time
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotate.actions.imports import import_by_name
from annotate.errors import Refused
from annotate.wire import Kind


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="JSON Lines in the wire format, plain or gzipped")
    parser.add_argument("--campaign", required=True, help="its name; one is made if there is none")


def run(command: BaseCommand, kind: Kind, options: dict[str, Any], sample: bool | None = None) -> None:
    """Import the file. Raises CommandError with the line and what to do; then nothing was added."""
    began = time.monotonic()
    path: Path = options["file"]
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            done = import_by_name(
                kind,
                file,
                options["campaign"],
                sample=sample,
                on_progress=lambda rows: _say(rows, 100 * file.tell() // max(size, 1)),
            )
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error
    except Refused as error:
        raise CommandError(f"{path}: {error} Nothing was imported.") from error
    seconds = time.monotonic() - began
    figures = ", ".join(f"{count} {name}" for name, count in asdict(done).items() if name != "rows")
    command.stdout.write(f"{done.rows} rows in {seconds:.1f} s; added {figures}.")


def _say(rows: int, percent: int) -> None:
    print(f"{rows} rows, {percent} % of the file", file=sys.stderr)
