"""How sure a number is: 95 % intervals by bootstrap over prompts."""

import random
from collections.abc import Sequence

_DRAWS = 2000

Ratio = tuple[Sequence[float], Sequence[float]]
"""Parts and wholes, one of each a prompt, whose sums are divided."""


def ratio_interval(parts: Sequence[float], wholes: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """Return the 95 % interval of sum(parts) / sum(wholes), one entry of each a prompt.

    Whole prompts are drawn again with replacement, as a prompt's comparisons are not
    independent of each other.
    """
    return mean_ratio_interval([(parts, wholes)], seed)


def mean_ratio_interval(ratios: Sequence[Ratio], seed: int = 0) -> tuple[float, float]:
    """Return the 95 % interval of the mean of several such ratios over the same prompts.

    A draw in which one of them has nothing to divide by is left out.
    """
    count = len(ratios[0][0])
    assert count > 0, "an interval needs a prompt"
    assert all(len(parts) == len(wholes) == count for parts, wholes in ratios), (
        "one part and one whole a prompt"
    )
    generator = random.Random(seed)
    means = []
    for _ in range(_DRAWS):
        drawn = generator.choices(range(count), k=count)
        sums = [(sum(parts[i] for i in drawn), sum(wholes[i] for i in drawn)) for parts, wholes in ratios]
        if all(whole for _, whole in sums):
            means.append(sum(part / whole for part, whole in sums) / len(sums))
    means.sort()
    return means[round(0.025 * len(means))], means[round(0.975 * len(means)) - 1]
