"""Threads of torch's that wait for each other: awake for a short while, then asleep."""

import os

SPINS = "30000"


def wait_shortly() -> None:
    """Have threads that wait fall asleep ten times sooner. To be called before torch is imported.

    GNU OpenMP keeps them awake for 300,000 rounds, on cores that the website, an engine or a second stage
    would use: beside other work a step then takes about twice as long. Who sets GOMP_SPINCOUNT is heard.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
