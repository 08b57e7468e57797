"""The processes that make up Podium: what each is called with, starting them, stopping them in order."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

from django.conf import settings

from annotate.errors import Refused

GRACE_SECONDS = 20
QUEUES = {"web": "annotate.tasks", "sample": "trainer.tasks", "train": "trainer.tasks"}

Children = dict[str, "subprocess.Popen[bytes]"]


def web(host: str, port: int) -> list[str]:
    """Return the arguments of `python -m` for the website."""
    listen = ["--bind", f"{host}:{port}", "--workers", "2", "--threads", "4"]
    return ["gunicorn", "annotate.wsgi", *listen, "--log-level", "warning"]


def worker(queue: str) -> list[str]:
    """Return the arguments for one queue's worker: threads, as the heavy work is always a child process."""
    tasks = ["--include", QUEUES[queue], "--queues", queue, "--hostname", f"{queue}@%h"]
    pool = ["--pool", "threads", "--concurrency", "4" if queue == "web" else "1"]
    return ["celery", "--quiet", "--app", "annotate.celery", "worker", *tasks, *pool, "--loglevel", "WARNING"]


def beat() -> list[str]:
    return ["celery", "--quiet", "--app", "annotate.celery", "beat", "--loglevel", "WARNING"]


def everything(host: str, port: int) -> dict[str, list[str]]:
    """Return all parts by name."""
    workers = {f"worker-{queue}": worker(queue) for queue in QUEUES}
    return {"web": web(host, port), **workers, "beat": beat()}


def start(arguments: Sequence[str], **environment: str) -> "subprocess.Popen[bytes]":
    """Start one part in a session of its own: Ctrl-C reaches its parent alone, which stops it in order."""
    command = [sys.executable, "-m", *arguments]
    return subprocess.Popen(
        command, cwd=settings.BASE_DIR, env={**os.environ, **environment}, start_new_session=True
    )


def stop(children: Mapping[str, "subprocess.Popen[bytes]"]) -> list[str]:
    """Ask every part to stop, kill what has not after the grace time, and return the names of the killed."""
    for child in children.values():
        if child.poll() is None:
            child.terminate()
    deadline = time.monotonic() + GRACE_SECONDS
    killed = []
    for name, child in children.items():
        try:
            child.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            killed.append(name)
    return killed


@contextmanager
def running(parts: Mapping[str, Sequence[str]], **environment: str) -> Iterator[Children]:
    """Run these parts for as long as the block lasts."""
    children: Children = {}
    try:
        for name, arguments in parts.items():
            children[name] = start(arguments, **environment)
        yield children
    finally:
        stop(children)


def leave_on_signals() -> None:
    """Turn Ctrl-C and SIGTERM into SystemExit, so that `finally` tidies up; a second one changes nothing."""

    def leave(number: int, frame: FrameType | None) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        raise SystemExit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, leave)


def free_port(host: str) -> int:
    with socket.create_server((host, 0)) as server:
        port: int = server.getsockname()[1]
        return port


def refuse_a_taken_port(host: str, port: int) -> None:
    """Raise Refused where something listens there already."""
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        raise Refused(
            f"Cannot listen on {host}:{port}: {error.strerror}. Choose another with PORT."
        ) from error


def wait_for_page(url: str, seconds: float = 60) -> None:
    """Return once the page answers. Raises Refused when it does not in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own address
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise Refused(f"The website did not answer at {url}; its own lines above say why.")
