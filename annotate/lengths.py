"""Pure: how long things are, from how often each length was seen."""

from collections import Counter
from math import sqrt
from typing import NamedTuple

BARS = 40


class Lengths(NamedTuple):
    """What the paper's Tables 9 to 11 say of a set of texts; lengths are in characters."""

    texts: int
    mean: float
    std: float
    shortest: int
    quarter: int
    half: int
    three_quarters: int
    longest: int


def lengths(seen: Counter[int]) -> Lengths | None:
    """Return the figures of lengths that were each seen so often; None where nothing was."""
    count = seen.total()
    if not count:
        return None
    mean = sum(length * times for length, times in seen.items()) / count
    variance = sum(times * (length - mean) ** 2 for length, times in seen.items()) / count
    quarter, half, three_quarters = (_at(seen, share) for share in (0.25, 0.5, 0.75))
    return Lengths(count, mean, sqrt(variance), min(seen), quarter, half, three_quarters, max(seen))


def _at(seen: Counter[int], share: float) -> int:
    """Return the shortest length that this share of all does not pass."""
    wanted, so_far = share * seen.total(), 0
    for length in sorted(seen):
        so_far += seen[length]
        if so_far >= wanted:
            return length
    raise AssertionError("all together are never fewer than a share of them")


def histogram(seen: dict[str, Counter[int]]) -> list[tuple[int, dict[str, float]]]:
    """Return bars of equal width, each by where it begins, with the share of each set's texts in it.

    The longest hundredth stands in the last bar, so that one long text does not press all others together.
    """
    together = sum(seen.values(), Counter())
    if not together:
        return []
    width = max(1, _at(together, 0.99) // BARS)
    bars: dict[int, dict[str, float]] = {width * bar: dict.fromkeys(seen, 0.0) for bar in range(BARS + 1)}
    for name, counts in seen.items():
        for length, times in counts.items():
            bars[width * min(length // width, BARS)][name] += times / counts.total()
    return sorted(bars.items())
