"""What a process frees stays with it."""

import subprocess
import sys

COUNT = """
import resource
from trainer.memory import keep_memory
if {keep}: keep_memory()
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    before = faults()
    bytearray(64 << 20)
print(faults() - before)
"""


def faults(keep: bool) -> int:
    """Return the page faults of taking 64 MB for the third time."""
    said = subprocess.run([sys.executable, "-c", COUNT.format(keep=keep)], capture_output=True, check=True)
    return int(said.stdout)


def test_memory_once_fetched_is_not_fetched_again() -> None:
    assert faults(keep=True) < faults(keep=False) / 4
