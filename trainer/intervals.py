"""How sure a number is: 95 % intervals by bootstrap over prompts."""

import random
from collections.abc import Sequence

_DRAWS = 2000


def ratio_interval(parts: Sequence[float], wholes: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """Return the 95 % interval of sum(parts) / sum(wholes), one entry of each a prompt.

    Whole prompts are drawn again with replacement, as a prompt's comparisons are not
    independent of each other.
    """
    assert len(parts) == len(wholes) > 0, "one part and one whole a prompt"
    generator = random.Random(seed)
    places = range(len(parts))
    ratios = []
    for _ in range(_DRAWS):
        drawn = generator.choices(places, k=len(parts))
        ratios.append(sum(parts[i] for i in drawn) / sum(wholes[i] for i in drawn))
    ratios.sort()
    return ratios[round(0.025 * _DRAWS)], ratios[round(0.975 * _DRAWS) - 1]
