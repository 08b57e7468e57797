"""import: a million rankings taken in from a file, beside a plain COPY of the rows that it makes.

Both begin with empty tables and end with a commit; both run with the product's keys, indexes, constraints and
triggers. COPY gets its rows from files in PostgreSQL's own binary form: it neither checks nor finds anything.
"""

import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from django.conf import settings
from django.db import connection, transaction

from annotate.actions.imports import import_by_name
from annotate.models import Completion, Prompt, RankedCompletion, Ranking
from benchmarks import exports, rows
from benchmarks.measuring import apart, compared

TABLES = [model._meta.db_table for model in (Prompt, Completion, Ranking, RankedCompletion)]
LIMIT_RATIO = 0.5
BLOCK = 1024 * 1024


def import_rankings() -> dict[str, object]:
    with TemporaryDirectory(dir=settings.DATA_DIR) as name:
        folder = Path(name)
        exports.export(rows.fill_answered("source", exports.RANKINGS).pk, "jsonl", folder / "rankings.jsonl")
        empty()
        seconds, peak_mb = apart(partial(take_in, folder / "rankings.jsonl"))
        for table in TABLES:
            copy_out(table, folder / table)
        empty()
        plain, _peak = apart(partial(copy_in, folder))
        empty()
    return compared(exports.RANKINGS / seconds, exports.RANKINGS / plain, "rankings a second") | {
        "limit_ratio": LIMIT_RATIO,
        "rankings": exports.RANKINGS,
        "peak_mb": peak_mb,
        "limit_mb": exports.LIMIT_MB,
    }


def take_in(path: Path) -> float:
    began = time.monotonic()
    done = import_by_name("rankings", path, "taken in")
    assert done.rankings == exports.RANKINGS, "every ranking of the file is new"
    return time.monotonic() - began


def copy_in(folder: Path) -> float:
    began = time.monotonic()
    with transaction.atomic(), connection.cursor() as cursor:
        # As the import does, for its foreign keys' sake.
        cursor.execute("SET LOCAL enable_seqscan = off")
        for table in TABLES:
            with (
                (folder / table).open("rb") as file,
                cursor.copy(f"COPY {table} FROM STDIN (FORMAT binary)") as copy,
            ):
                while block := file.read(BLOCK):
                    copy.write(block)
    return time.monotonic() - began


def copy_out(table: str, path: Path) -> None:
    """Write a table's rows as they are, but that triggers will count the slots anew."""
    with connection.cursor() as cursor, path.open("wb") as file:
        if table == Prompt._meta.db_table:
            cursor.execute(f"UPDATE {table} SET rankings_held = 0")
        with cursor.copy(f"COPY (SELECT * FROM {table} ORDER BY id) TO STDOUT (FORMAT binary)") as copy:
            for block in copy:
                file.write(block)


def empty() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(TABLES)} CASCADE")
