"""Memory that a stage has freed stays with it: the next step takes as much again."""

import ctypes
import os
import sys

# From glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8


def keep_memory() -> None:
    """Have this process keep what it frees, in large pages. To be called before torch is imported.

    By default each large tensor is fetched from the system and given back, a fault for every 4 KB of it: a
    sixth of a training step on two cores. Other C libraries than glibc are left as they are.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, value in ((_TRIM_THRESHOLD, 2**31 - 1), (_MMAP_MAX, 0), (_ARENA_MAX, 1)):
            mallopt(option, value)
