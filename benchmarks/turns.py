"""Two programs on the same cores, in turns: what else the machine does slows both alike."""

import json
import subprocess
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Self

from benchmarks.measuring import machine
from benchmarks.turn_taking import START

WARM_UP_TURNS = 2
"""In the second one a process still fetches memory from the system; from the third on it has all it needs."""
ROOT = Path(__file__).parents[1]
Turn = dict[str, float]


class Program:
    """A child process that works when told to: python -m MODULE KIND SPEC, a module that takes turns."""

    def __init__(self, python: str, module: str, kind: str, spec: Path) -> None:
        command = [python, "-m", module, kind, str(spec)]
        log = spec.with_name(f"{module}-{kind}.log").open("w")
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=log, text=True)
        self.log = log.name

    def turn(self) -> Turn:
        """Have it work once; return units of work, seconds, peak_mb and load. Its first turns warm it up."""
        assert self.process.stdin is not None and self.process.stdout is not None, "both are pipes"
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise SystemExit(f"a program ended early: read {self.log}") from None
        for line in self.process.stdout:
            if line.startswith(START):
                found: Turn = json.loads(line)
                return found
        raise SystemExit(f"a program ended early: read {self.log}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()


def in_turns(ours: Program, peer: Program, turns: int) -> dict[str, object]:
    """Return what the two did, as a benchmark's line: units a second of each, and their ratio."""
    with ours, peer:
        pairs = [(ours.turn(), peer.turn()) for _ in range(WARM_UP_TURNS + turns)][WARM_UP_TURNS:]
    rates = [(_rate(one), _rate(other)) for one, other in pairs]
    return {
        "ours": round(median(one for one, _ in rates), 4),
        "peer": round(median(other for _, other in rates), 4),
        "ratio": round(median(one / other for one, other in rates), 3),
        "ratios": [round(one / other, 3) for one, other in rates],
        "peak_mb": max(one["peak_mb"] for one, _ in pairs),
        "peer_peak_mb": max(other["peak_mb"] for _, other in pairs),
        "machine": machine(),
        "load": round(max(turn["load"] for pair in pairs for turn in pair), 1),
    }


def _rate(turn: Turn) -> float:
    return turn["units"] / turn["seconds"]
