"""A stage's numbers, one JSON object a line, one or more lines a step."""

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class MetricsLog:
    """Append-only lines {"step": n, "total": N, ...} that outlive a kill.

    A resumed stage repeats the steps after its last saved state, so opening the log
    drops their lines, and the half line that a kill may have left.
    """

    def __init__(self, path: Path, total: int, resumed_step: int = 0) -> None:
        self.path = path
        self.total = total
        self.step = resumed_step
        kept = [line for line in _whole_lines(path) if line["step"] <= resumed_step]
        beside = path.with_suffix(".new")
        beside.write_text("".join(json.dumps(line) + "\n" for line in kept))
        beside.replace(path)

    def write(self, step: int, **metrics: float | str) -> None:
        """Record what step (1 to total) gave."""
        self.step = step
        # NaN and infinity are no JSON; a reader sees null where a number was lost.
        finite = {key: _or_none(value) for key, value in metrics.items()}
        line = json.dumps({"step": step, "total": self.total, **finite})
        with self.path.open("a") as file:
            file.write(line + "\n")

    def series(self, name: str) -> list[tuple[int, float]]:
        """Return (step, value) of a metric, steps before a resume included."""
        found = [line for line in _whole_lines(self.path) if line.get(name) is not None]
        return [(int(line["step"]), line[name]) for line in found]

    def phase(self, name: str) -> None:
        """Say what the stage is doing now."""
        self.write(self.step, phase=name)


class Clock:
    """Where a step's seconds went."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Count the time inside as seconds_<name>."""
        began = time.monotonic()
        yield
        self.seconds[f"seconds_{name}"] = time.monotonic() - began


def _or_none(value: float | str) -> float | str | None:
    return value if isinstance(value, str) or math.isfinite(value) else None


def _whole_lines(path: Path) -> list[dict[str, float]]:
    if not path.exists():
        return []
    lines = path.read_text().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]
