"""Pure: the comparisons of a ranking, each a better and a worse completion and how far apart they stand."""

from collections import Counter
from collections.abc import Sequence
from itertools import permutations
from math import comb
from typing import NamedTuple


class Comparison(NamedTuple):
    """Two completions by their places in the ranking; margin is the difference of their ranks, 1 or more."""

    chosen: int
    rejected: int
    margin: int


def comparisons(ranks: Sequence[int]) -> list[Comparison]:
    """Return every ordered pair of completions; rank 1 is best and a tie gives none."""
    places = permutations(range(len(ranks)), 2)
    return [Comparison(a, b, ranks[b] - ranks[a]) for a, b in places if ranks[a] < ranks[b]]


def count_comparisons(ranks: Sequence[int]) -> int:
    """Return len(comparisons(ranks)) without making them."""
    return comb(len(ranks), 2) - sum(comb(tied, 2) for tied in Counter(ranks).values())
