"""What benchmarks share: CPU time of this process and of others, peak memory, the machine in words."""

import multiprocessing
import os
import platform
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from django.db import connection

T = TypeVar("T")
MILLISECONDS = 1000
FORK = multiprocessing.get_context("fork")


class Cpu(NamedTuple):
    """CPU time that one call took, in milliseconds: this process's, and another's."""

    own: float
    other: float


def cpu_of(call: Callable[[], T], other_pid: int) -> tuple[T, Cpu]:
    own, other = time.process_time(), cpu_seconds(other_pid)
    result = call()
    own, other = time.process_time() - own, cpu_seconds(other_pid) - other
    return result, Cpu(own * MILLISECONDS, other * MILLISECONDS)


def cpu_seconds(pid: int) -> float:
    """Return what the kernel has counted for a process (Linux; its schedstat is in nanoseconds)."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def apart(call: Callable[[], T]) -> tuple[T, float]:
    """Call in a process of its own; return what it returned, and its peak memory in MB.

    What earlier benchmarks in this process have used is not counted, only what their pages share with it.
    """
    # A connection cannot be shared with a child.
    connection.close()
    with FORK.Pool(1) as pool:
        return pool.apply(_with_peak, (call,))


def _with_peak(call: Callable[[], T]) -> tuple[T, float]:
    try:
        return call(), peak_mb()
    finally:
        connection.close()


def peak_mb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def compared(ours: float, peer: float, unit: str) -> dict[str, object]:
    """Return the part that every benchmark's line has; call it when the work is done."""
    return {
        "ours": round(ours, 3),
        "peer": peer,
        "ratio": round(ours / peer, 4) if peer else None,
        "unit": unit,
        "peak_mb": peak_mb(),
        "machine": machine(),
        # Other work on the same cores empties their caches: then CPU time is a multiple of what it is alone.
        "load": round(os.getloadavg()[0], 1),
    }


def machine() -> str:
    """Return cores, processor, memory and versions in one line."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    processor = next((line.split(": ")[1] for line in lines if line.startswith("model name")), "processor")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return f"{os.cpu_count()} cores of {processor}, {memory:.0f} GB, Python {platform.python_version()}"
