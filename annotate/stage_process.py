"""A stage of the learning side as a child process: its command line, its log, and the metrics it writes."""

import fcntl
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from django.utils.translation import gettext as _

LOG_TAIL_LINES = 200
LOG_TAIL_BYTES = 64 * 1024
ERROR_MARK = "error: "
BAD_INPUT = 2
# What a stage leaves with when it was asked to stop: by SIGINT, by SIGTERM.
ASKED_TO_STOP = (130, 143, -signal.SIGINT, -signal.SIGTERM)

Metrics = dict[str, Any]


class StageProcess:
    """`python -m trainer STAGE ... --out DIR`, which ends when this process does. A context manager."""

    def __init__(self, arguments: list[str], *, out: Path, log: Path, directory: Path) -> None:
        self.out, self.log = out, log
        self._metrics = MetricsReader(out)
        self._log_begin = log.stat().st_size if log.exists() else 0
        command = [sys.executable, "-m", "trainer", *arguments, "--out", str(out), "--exit-with-parent"]
        with log.open("ab") as written:
            # A session of its own: Ctrl-C at a terminal is for us to pass on. The pipe tells it of our death.
            self._process = subprocess.Popen(
                command,
                cwd=directory,
                stdin=subprocess.PIPE,
                stdout=written,
                stderr=written,
                start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        assert self._process.stdin is not None, "Popen made the pipe that was asked for"
        self._process.stdin.close()

    def wait(self, seconds: float) -> int | None:
        """Return the exit status, negative for a signal, or None if it works on after this long."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, grace_seconds: float) -> None:
        """Ask it to stop, and kill it if it has not after the grace time."""
        self._process.terminate()
        if self.wait(grace_seconds) is None:
            self.kill()

    def kill(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def new_metrics(self) -> list[Metrics]:
        return self._metrics.new_lines()

    def log_tail(self) -> str:
        """Return the last lines of the log, those of earlier attempts among them."""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - LOG_TAIL_BYTES))
            text = file.read().decode(errors="replace").replace("\x00", "")
        return "\n".join(text.splitlines()[-LOG_TAIL_LINES:])

    def last_words(self) -> str:
        """Return what this attempt said last: its `error: ...` line if it has one, without that mark."""
        with self.log.open("rb") as file:
            file.seek(max(self._log_begin, self.log.stat().st_size - LOG_TAIL_BYTES))
            text = file.read().decode(errors="replace").replace("\x00", "")
        lines = [line for line in text.splitlines() if line.strip()]
        errors = [line.removeprefix(ERROR_MARK) for line in lines if line.startswith(ERROR_MARK)]
        return (errors or lines or [""])[-1].strip()


class MetricsReader:
    """The lines that a stage adds to its metrics.jsonl, followed through a resume and the final rename."""

    def __init__(self, out: Path) -> None:
        self._paths = [out.with_name(out.name + ".partial") / "metrics.jsonl", out / "metrics.jsonl"]
        self._inode = self._offset = 0
        self._steps: dict[int, Metrics] = {}

    def new_lines(self) -> list[Metrics]:
        """Return one dict for each step that got new lines, with all that was said of it so far."""
        changed: dict[int, Metrics] = {}
        for line in self._new_text().splitlines():
            said = json.loads(line, parse_constant=lambda name: None)
            step = self._steps.setdefault(said["step"], {})
            step.update(said)
            changed[said["step"]] = step
        return list(changed.values())

    def _new_text(self) -> str:
        for path in self._paths:
            try:
                with path.open("rb") as file:
                    return self._rest_of(file.fileno())
            except FileNotFoundError:
                continue
        return ""

    def _rest_of(self, descriptor: int) -> str:
        """Return the whole lines after those read before; a resumed stage puts a new file in its place."""
        inode = os.fstat(descriptor).st_ino
        if inode != self._inode:
            self._inode, self._offset, self._steps = inode, 0, {}
        size = os.fstat(descriptor).st_size - self._offset
        rest = os.pread(descriptor, size, self._offset)
        whole = rest[: rest.rfind(b"\n") + 1]
        self._offset += len(whole)
        return whole.decode()


def numbers(said: Metrics) -> dict[str, float]:
    """Return a step's finite numbers, without the step itself: what can be plotted."""
    return {
        name: value
        for name, value in said.items()
        if name not in ("step", "total")
        and isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
    }


def wait_until_free(out: Path, seconds: float) -> bool:
    """Return whether no other process writes DIR any more, waiting at most this long."""
    deadline = time.monotonic() + seconds
    lock = out.with_name(out.name + ".lock")
    if not lock.exists():
        return True
    with lock.open("rb") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.2)
            else:
                return True


def why_it_ended(status: int, words: str) -> str:
    """Say in one line why a stage that was not asked to stop did not end well."""
    if status == BAD_INPUT:
        return words
    if status == -signal.SIGKILL:
        return _("Killed by signal 9: most likely the machine ran out of memory.")
    if status < 0:
        told = {"signal": -status, "words": words}
        return _("Killed by signal %(signal)d. Its last words: %(words)s") % told
    return _("Ended with status %(status)d. Its last words: %(words)s") % {"status": status, "words": words}
