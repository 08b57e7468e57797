"""Which tests the processes of `pytest -n` take, and in which order; read by xdist and pytest."""

import os
from collections.abc import Iterator

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# What computes with torch stays in one process: two such at once on two cores hinder each other.
LEARNING = ("tests/trainer/", "tests/test_bridge.py")
# The longest first, so that no process is alone with one of them in the end.
LONG = (*LEARNING, "tests/test_run.py", "tests/browser/", "tests/annotate/test_doors.py")


class Files(LoadScopeScheduling):
    """Hand out whole files, and what computes with torch as if it were one."""

    def _split_scope(self, nodeid: str) -> str:
        return "learning" if nodeid.startswith(LEARNING) else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Files:
    config.option.loadscopereorder = False  # else files of many tests come first, not long ones
    return Files(config, log)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Put the long ones in front, after all other sorting; a process alone keeps to the usual order."""
    yield
    if os.environ.get("PYTEST_XDIST_WORKER"):
        items.sort(key=place)


def place(item: pytest.Item) -> int:
    return next((place for place, start in enumerate(LONG) if item.nodeid.startswith(start)), len(LONG))
