"""Real workers for tests: Celery processes on the test database, and waiting for what they do."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from urllib.parse import urlencode

import pytest
from django.db import connection

from annotate import processes
from annotate.tasks import find_lost_runs, ring_for_waiting_prompts

Worker = Popen[bytes]


def database_url() -> str:
    """Return the URL of the test database, which the environment does not name."""
    told = connection.settings_dict
    return f"postgresql://{told['USER']}@/{told['NAME']}?{urlencode({'host': told['HOST']})}"


@contextmanager
def environment() -> Iterator[None]:
    """Point processes started meanwhile at the test database, with settings that fit a tiny policy."""
    # One thread each: a tiny model gains nothing from more, and the tests' machine has other work.
    ours = {"ENGINE": "transformers", "ENGINE_DTYPE": "float32", "OMP_NUM_THREADS": "1"}
    ours |= {"DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "annotate.settings"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ours.items():
            patch.setenv(name, value)
        yield


@contextmanager
def working(queue: str) -> Iterator[Worker]:
    """Run a worker of one queue, and stop it as an operator does."""
    with environment():
        worker = processes.start(processes.worker(queue))
    try:
        yield worker
    finally:
        processes.stop({queue: worker})


def wait_until(is_true: Callable[[], bool], seconds: float = 180) -> None:
    """Wait for what a worker should do, ringing every two seconds as beat does."""
    deadline = time.monotonic() + seconds
    ring_at = 0.0
    while not is_true():
        assert time.monotonic() < deadline, f"the worker did not do it within {seconds} s"
        if time.monotonic() > ring_at:
            ring_at = time.monotonic() + 2
            ring_for_waiting_prompts()
            find_lost_runs()
        time.sleep(0.05)


# Connections of others that do something, or are in the middle of it.
_BUSY = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'
"""


def wait_until_idle(seconds: float = 30) -> None:
    """Wait until no worker is at the database: emptying its tables meanwhile could be a deadlock."""
    deadline, quiet = time.monotonic() + seconds, 0
    while quiet < 5:
        assert time.monotonic() < deadline, f"the workers were not done within {seconds} s"
        with connection.cursor() as cursor:
            cursor.execute(_BUSY)
            quiet = quiet + 1 if cursor.fetchone() == (0,) else 0
        time.sleep(0.05)


def children_of(pid: int) -> list[int]:
    """Return the processes that a process started itself, those that have ended left out."""
    stats = [path.read_text() for path in Path("/proc").glob("[0-9]*/stat")]
    fields = [(int(stat.split(" ", 1)[0]), stat.rpartition(") ")[2].split()) for stat in stats]
    return [child for child, (state, parent, *_) in fields if int(parent) == pid and state != "Z"]


def is_alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(") ")[2][0] != "Z"
