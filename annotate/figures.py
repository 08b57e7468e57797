"""Pure: a share with its 95 % interval, gathered prompt by prompt; too few prompts give no number."""

from dataclasses import dataclass
from math import sqrt
from operator import add
from typing import NamedTuple

ENOUGH_PROMPTS = 10
"""Fewer prompts than this say little of how far the next one would differ, so no number is given."""
Z = 1.959964
"""The normal distribution's two-sided 95 % point."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A number; or None, with how much there is and how much is needed."""

    value: float | None
    low: float | None
    high: float | None
    count: int
    """What it is a share of, or a mean over: comparisons, pairs of rankings, completions."""
    prompts: int
    needed: int = ENOUGH_PROMPTS

    @property
    def is_enough(self) -> bool:
        return self.prompts >= self.needed


class Tally(NamedTuple):
    """Sums over prompts, from which a share and its spread follow; a prompt's own numbers are not kept."""

    prompts: int = 0
    seen: int = 0
    hits: float = 0.0
    seen_squared: int = 0
    hits_squared: float = 0.0
    hits_times_seen: float = 0.0


def of_prompt(hits: float, seen: int) -> Tally:
    """Return one prompt's tally: `hits`, from 0 to `seen`, of the `seen` things there."""
    assert seen > 0, "a prompt that shows nothing is not tallied"
    return Tally(1, seen, hits, seen * seen, hits * hits, hits * seen)


def together(one: Tally, other: Tally) -> Tally:
    return Tally(*map(add, one, other))


def share(tally: Tally) -> Figure:
    """Return the share of hits; for its interval, what one prompt gives is one draw."""
    if tally.prompts < ENOUGH_PROMPTS:
        return Figure(None, None, None, tally.seen, tally.prompts)
    value = tally.hits / tally.seen
    low, high = wilson(value, _draws(tally, value))
    return Figure(value, low, high, tally.seen, tally.prompts)


def _draws(tally: Tally, value: float) -> float:
    """Return how many independent draws would leave the share as uncertain as these prompts do.

    The variance is the linearised one of a ratio over clusters (Cochran 1977, "Sampling Techniques", 11.7).
    """
    if tally.hits in (0, tally.seen):
        # Nothing varies, so nothing tells how far a prompt's comparisons hang together: maybe wholly.
        return tally.prompts
    residuals = tally.hits_squared - 2 * value * tally.hits_times_seen + value**2 * tally.seen_squared
    variance = max(residuals, 1e-9) / tally.seen**2 * tally.prompts / (tally.prompts - 1)
    return min(tally.seen, value * (1 - value) / variance)


def wilson(value: float, draws: float) -> tuple[float, float]:
    """Return the 95 % interval of a share seen in so many draws (Wilson 1927); it stays within 0 and 1."""
    spread = Z * Z / draws
    middle = (value + spread / 2) / (1 + spread)
    half = sqrt(value * (1 - value) * spread + spread * spread / 4) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)
