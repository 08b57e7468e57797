"""Bring back what `backup` wrote."""

import json
import shutil
import tarfile
from argparse import ArgumentParser
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.models import F, Model, Value
from django.db.models.functions import Replace

from annotate.management import postgres
from annotate.management.commands.backup import FOLDERS
from annotate.models import Checkpoint, Snapshot, User

EMPTY = "SET lock_timeout = '10s'; DROP SCHEMA public CASCADE; CREATE SCHEMA public"


class Command(BaseCommand):
    help = "Bring back what `backup` wrote. Stop the website and the workers first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--force", action="store_true", help="replace everything that is here")

    def handle(self, *args: Any, **options: Any) -> None:
        if _has_people() and not options["force"]:
            raise CommandError("This installation is not empty; --force replaces everything in it.")
        settings.DATA_DIR.mkdir(parents=True, exist_ok=True)
        folder = Path(mkdtemp(suffix=".partial", dir=settings.DATA_DIR))
        try:
            old_data_dir = _unpack(options["file"], folder)
            connection.close()
            # One transaction: a dump that fails half-way leaves what was here.
            once = ("--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1", f"--command={EMPTY}")
            postgres.run("psql", *once, f"--file={folder / 'database.sql'}")
            _put_in_place(folder)
            for model in (Checkpoint, Snapshot):
                _move_locations(model, old_data_dir)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        call_command("migrate", verbosity=0)
        self.stdout.write(f"Restored {options['file']}.")


def _has_people() -> bool:
    return User._meta.db_table in connection.introspection.table_names() and User.objects.exists()


def _unpack(path: Path, folder: Path) -> str:
    """Unpack the regular files, and only inside the folder; return where the backup's data folder was."""
    try:
        with tarfile.open(path) as tar:
            for member in tar:
                if member.isfile():
                    _unpack_file(tar, member, folder)
        (folder / "database.sql").stat()
        return str(json.loads((folder / "about.json").read_text())["data_dir"])
    except (OSError, tarfile.TarError, EOFError, ValueError, KeyError) as error:
        raise CommandError(f"{path} is no whole backup: {error}") from error


def _unpack_file(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    target = (folder / member.name).resolve()
    if not target.is_relative_to(folder.resolve()):
        raise CommandError(f"{member.name} would be written outside the data folder.")
    target.parent.mkdir(parents=True, exist_ok=True)
    source = tar.extractfile(member)
    assert source is not None, "a regular file has content"
    with target.open("wb") as file:
        shutil.copyfileobj(source, file)


def _put_in_place(folder: Path) -> None:
    for name in FOLDERS:
        shutil.rmtree(settings.DATA_DIR / name, ignore_errors=True)
        if (folder / name).exists():
            (folder / name).rename(settings.DATA_DIR / name)


def _move_locations(model: type[Model], old: str) -> None:
    """Point rows at the folders where they are now; hub names and folders elsewhere stay."""
    moved = model._default_manager.filter(location__startswith=f"{old}/")
    moved.update(location=Replace(F("location"), Value(f"{old}/"), Value(f"{settings.DATA_DIR}/")))
