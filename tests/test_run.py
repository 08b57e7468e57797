"""`manage.py run` as a person starts and stops it: real processes in a data folder of their own."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "told to nobody else"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def started(folder: Path, port: int) -> "subprocess.Popen[str]":
    outside = ("DATABASE_URL", "BROKER_URL", "DJANGO_SETTINGS_MODULE")
    environment = {name: value for name, value in os.environ.items() if name not in outside}
    ours = {"PODIUM_DATA": str(folder), "PORT": str(port), "PODIUM_DEMO_PASSWORD": PASSWORD}
    command = [sys.executable, "manage.py", "run"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=ROOT, env=environment | ours, **streams)  # type: ignore[call-overload, no-any-return]


def processes_of(folder: Path) -> list[str]:
    """Return the command lines of whatever still runs for this data folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            text = (path / "environ").read_text() + (path / "cmdline").read_text()
        except OSError:
            continue
        if str(folder) in text:
            found.append((path / "cmdline").read_text().replace("\0", " "))
    return found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str, "subprocess.Popen[str]"]]:
    """Podium, started; what it said until it told its address."""
    folder = tmp_path_factory.mktemp("installation")
    process = started(folder, free_port())
    said = ""
    assert process.stdout is not None
    while "Sign in as" not in said:
        line = process.stdout.readline()
        assert line, f"it ended before it told its address: {said}"
        said += line
    yield folder, said, process
    if process.poll() is None:
        process.kill()


def test_it_tells_the_address_and_the_sign_ins(run: tuple[Path, str, "subprocess.Popen[str]"]) -> None:
    said = run[1]
    address = re.search(r"http://127\.0\.0\.1:\d+/", said)
    assert address
    assert "admin, researcher, labeler1, labeler2" in said
    assert PASSWORD in said
    with urllib.request.urlopen(f"{address[0]}sign-in") as page:  # noqa: S310 - our own address
        assert b"Podium" in page.read()


def test_ctrl_c_stops_all_of_it(run: tuple[Path, str, "subprocess.Popen[str]"]) -> None:
    folder, _said, process = run
    assert processes_of(folder)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    deadline = time.monotonic() + 60
    while processes_of(folder) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert processes_of(folder) == []


def test_a_taken_port_is_said_plainly(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said, _ = started(tmp_path, port).communicate(timeout=120)
    assert f"Cannot listen on 127.0.0.1:{port}" in said
