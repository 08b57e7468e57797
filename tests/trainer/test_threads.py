"""Threads that wait leave the cores to others."""

import os
import subprocess
import sys

import pytest

ASK = """
import os, sys
from trainer.__main__ import main
assert "torch" not in sys.modules, "OpenMP reads it as torch is imported"
main(["schema"])
print(os.environ["GOMP_SPINCOUNT"])
"""


@pytest.mark.parametrize(("set_before", "then"), [({}, "30000"), ({"GOMP_SPINCOUNT": "7"}, "7")])
def test_threads_fall_asleep_soon_unless_someone_says_otherwise(
    set_before: dict[str, str], then: str
) -> None:
    own = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    said = subprocess.run(
        [sys.executable, "-c", ASK], env=own | set_before, capture_output=True, text=True, check=True
    )
    assert said.stdout.splitlines()[-1] == then
