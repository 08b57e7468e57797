"""Write everything an installation has into one file."""

import json
import tarfile
from argparse import ArgumentParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from annotate.management import postgres

FOLDERS = ("checkpoints", "snapshots")


class Command(BaseCommand):
    help = (
        "Write the database, the checkpoints and the snapshots into one tar file, which `restore` reads. "
        "Runs that are under way are left out of the files and start again after a restore. "
        "The file holds everyone's data and password hashes: keep it as safe as the database."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="a new file, .tar or .tar.gz")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        if path.exists():
            raise CommandError(f"{path} is there already; name a new file.")
        partial = path.with_name(path.name + ".partial")
        try:
            partial.touch(mode=0o600)
            _write(partial, "w:gz" if path.suffix == ".gz" else "w")
            partial.replace(path)
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}") from error
        finally:
            partial.unlink(missing_ok=True)
        self.stdout.write(f"{path}: {path.stat().st_size:,} bytes")


def _write(path: Path, mode: str) -> None:
    """The database goes first: folders never change, so every row in the file finds its folder there."""
    with TemporaryDirectory() as folder, tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        dump, about = Path(folder) / "database.sql", Path(folder) / "about.json"
        postgres.run("pg_dump", "--no-owner", "--no-privileges", f"--file={dump}")
        about.write_text(json.dumps({"podium": 1, "data_dir": str(settings.DATA_DIR)}))
        tar.add(about, about.name)
        tar.add(dump, dump.name)
        for name in FOLDERS:
            if (settings.DATA_DIR / name).exists():
                tar.add(settings.DATA_DIR / name, name, filter=_without_unfinished)


def _without_unfinished(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    parts = Path(member.name).parts
    unfinished = any(part.endswith((".partial", ".lock", ".preparing")) for part in parts)
    return None if unfinished else member
