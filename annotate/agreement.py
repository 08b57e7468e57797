"""Pure: how alike two rankings are, and how alike several labelers' answers to one question.

Two rankings compare two completions alike when both put the same one first. A tie counts in one of two
ways: left out, as the paper's own source does (Stiennon et al. 2020, C.2), or as a third answer.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from math import sqrt
from typing import NamedTuple

Signs = tuple[int, ...]
"""A ranking as comparisons, one for each two completions: 1 the first is better, -1 the second, 0 a tie."""
Units = Counter[tuple[int, ...]]
"""How often each set of answers to one question was given: two labelers' or more, an answer of each."""
Distance = Callable[[int, int, Mapping[int, float]], float]
"""The squared difference of two answers, given how often each answer was given in all."""


def signs(ranks: Sequence[int]) -> Signs:
    return tuple((b > a) - (b < a) for a, b in combinations(ranks, 2))


class Compared(NamedTuple):
    """Two rankings of the same completions, comparison by comparison."""

    comparisons: int
    decided_by_one: int
    decided_by_other: int
    decided_by_both: int
    alike: int
    """Decided by both, and the same way."""

    @property
    def alike_with_ties(self) -> int:
        tied_by_both = self.comparisons - self.decided_by_one - self.decided_by_other + self.decided_by_both
        return self.alike + tied_by_both

    @property
    def tau_b(self) -> float | None:
        """Return Kendall's tau-b, from -1 to 1 (Kendall 1945); None where a ranking ties everything."""
        if not (self.decided_by_one and self.decided_by_other):
            return None
        opposed = self.decided_by_both - self.alike
        return (self.alike - opposed) / sqrt(self.decided_by_one * self.decided_by_other)


def compared(one: Signs, other: Signs) -> Compared:
    assert len(one) == len(other), "two rankings are compared on the same completions"
    products = [a * b for a, b in zip(one, other, strict=True)]
    return Compared(
        comparisons=len(one),
        decided_by_one=len(one) - one.count(0),
        decided_by_other=len(other) - other.count(0),
        decided_by_both=len(products) - products.count(0),
        alike=products.count(1),
    )


def nominal(a: int, b: int, _given: Mapping[int, float]) -> float:
    return float(a != b)


def ordinal(a: int, b: int, given: Mapping[int, float]) -> float:
    """Two answers differ by as many answers as were given from one to the other, the ends by halves."""
    low, high = min(a, b), max(a, b)
    between = sum(count for answer, count in given.items() if low <= answer <= high)
    return (between - (given[low] + given[high]) / 2) ** 2


def alpha(units: Units, distance: Distance) -> float | None:
    """Return Krippendorff's alpha: 1 is full agreement, 0 what chance gives; None if all answers are equal.

    Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability": 1 - observed / expected disagreement,
    over coincidences, in which each answer of a unit meets each other one.
    """
    coincidences = _coincidences(units)
    given: defaultdict[int, float] = defaultdict(float)
    for (a, _b), count in coincidences.items():
        given[a] += count
    total = sum(given.values())
    observed = sum(count * distance(a, b, given) for (a, b), count in coincidences.items() if a != b)
    expected = sum(given[a] * given[b] * distance(a, b, given) for a in given for b in given if a != b)
    return 1 - (total - 1) * observed / expected if expected else None


def _coincidences(units: Units) -> defaultdict[tuple[int, int], float]:
    found: defaultdict[tuple[int, int], float] = defaultdict(float)
    for answers, times in units.items():
        counts = Counter(answers)
        for a in counts:
            for b in counts:
                found[a, b] += times * counts[a] * (counts[b] - (a == b)) / (len(answers) - 1)
    return found
