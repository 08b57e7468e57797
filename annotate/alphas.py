"""Pure: Krippendorff's alpha of ratings and of yes/no questions with a 95 % interval, by the jackknife.

Prompts fall into GROUPS groups in turn, each group is left out once, and how far alpha moves tells how far
other prompts would have moved it (Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 11).
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from math import sqrt

from annotate.agreement import Distance, Units, alpha
from annotate.figures import Figure

GROUPS = 20
STUDENT = [2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093]
"""Student's two-sided 95 % points for 10 to GROUPS groups, one degree of freedom less each."""


@dataclass(slots=True)
class Answers:
    """What the labelers of some prompts answered, completion by completion."""

    ratings: Units = field(default_factory=Counter)
    asked: Counter[int] = field(default_factory=Counter)
    """How many completions were rated by so many labelers."""
    flags: defaultdict[str, Counter[tuple[int, int]]] = field(default_factory=lambda: defaultdict(Counter))
    """How many completions so many raised this flag on, of so many asked."""

    def add(self, ratings: Sequence[int], flags: Iterable[str]) -> None:
        """Count one completion: each labeler's rating, and each flag as often as it was raised."""
        self.asked[len(ratings)] += 1
        self.ratings[tuple(sorted(ratings))] += 1
        for flag, raised in Counter(flags).items():
            self.flags[flag][raised, len(ratings)] += 1

    def of_flag(self, flag: str) -> Units:
        """Return the answers to a yes/no question: 1 by each labeler who raised the flag, 0 by the others."""
        units = Counter({(0,) * asked: completions for asked, completions in self.asked.items()})
        for (raised, asked), completions in self.flags[flag].items():
            units[(0,) * (asked - raised) + (1,) * raised] += completions
            units[(0,) * asked] -= completions
        return +units


def alpha_of(
    groups: Sequence[Answers], units_of: Callable[[Answers], Units], distance: Distance, answered: Figure
) -> Figure:
    """Return alpha over all groups with its interval; `answered` says over how much, and if it is enough."""
    units = [counts for counts in map(units_of, groups) if counts]
    together: Units = Counter()
    for counts in units:
        together.update(counts)
    value = alpha(together, distance) if answered.is_enough else None
    if value is None:
        return replace(answered, value=None, low=None, high=None)
    half = _half_width([alpha(together - counts, distance) for counts in units])
    low, high = (None, None) if half is None else (value - half, min(1.0, value + half))
    return replace(answered, value=value, low=low, high=high)


def _half_width(left_out: list[float | None]) -> float | None:
    """Return how far to each side; None where an alpha is lacking, or nothing varies and so nothing tells."""
    known = [value for value in left_out if value is not None]
    count = len(left_out)
    if len(known) < count or not 0 <= count - 10 < len(STUDENT):
        return None
    mean = sum(known) / count
    spread = sqrt((count - 1) / count * sum((value - mean) ** 2 for value in known))
    return STUDENT[count - 10] * spread if spread > 1e-12 else None
