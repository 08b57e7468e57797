"""The child's side of taking turns; the standard library alone, for a peer has its own environment."""

import json
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

START = '{"units"'
"""Libraries print to the same place; a line that begins so is an answer."""


def take_turns(work: Callable[[], float]) -> None:
    """Work once for each line on standard input, and answer with units of work and seconds."""
    for _line in sys.stdin:
        started = perf_counter()
        units = work()
        answer(units, perf_counter() - started)


def wait_for_turn() -> bool:
    """Return whether there is another turn, once it comes."""
    return bool(sys.stdin.readline())


def answer(units: float, seconds: float) -> None:
    """Say what a turn was."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    load = float(Path("/proc/loadavg").read_text().split()[0])
    line = {"units": units, "seconds": seconds, "peak_mb": round(peak, 1), "load": load}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
