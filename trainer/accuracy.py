"""How well scores agree with rankings: how often, how surely, and by more than length."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from trainer.intervals import mean_ratio_interval, ratio_interval
from trainer.rankings import JudgedPrompt

Scored = tuple[list[float], JudgedPrompt]
"""A prompt with the scores of its completions."""

# A completion counts as longer or shorter than another from a fifth on.
_ABOUT_EQUAL = 1.2
_BINS = 5


class Judgement(NamedTuple):
    """One comparison: the chosen completion's lead in score, and its length over the rejected one's."""

    margin: float
    length_ratio: float


def judgements(scored: Scored) -> list[Judgement]:
    """Return one judgement a comparison; ties are none."""
    scores, judged = scored
    lengths = [len(completion) for completion in judged.completions]
    return [
        Judgement(scores[chosen] - scores[rejected], lengths[chosen] / lengths[rejected])
        for chosen, rejected in judged.comparisons
    ]


def figures(scored: Sequence[Scored]) -> dict[str, object]:
    """Return accuracy with its 95 % interval over prompts, its surety, and what length alone would reach."""
    by_prompt = [judgements(one) for one in scored if one[1].comparisons]
    if not by_prompt:
        return {"accuracy": None, "comparisons": 0, "prompts": 0}
    flat = [judgement for prompt in by_prompt for judgement in prompt]
    low, high = ratio_interval([right(prompt) for prompt in by_prompt], [len(prompt) for prompt in by_prompt])
    return {
        "accuracy": right(flat) / len(flat),
        "accuracy_low": low,
        "accuracy_high": high,
        "comparisons": len(flat),
        "prompts": len(by_prompt),
        "longer_accuracy": sum(one.length_ratio > 1 for one in flat) / len(flat),
        **length_balanced(by_prompt),
        "by_length": by_length(flat),
        "calibration_error": sum(
            bar["comparisons"] / len(flat) * abs(bar["predicted"] - bar["accuracy"])
            for bar in calibration(flat)
        ),
        "calibration": list(calibration(flat)),
    }


def right(found: Sequence[Judgement]) -> int:
    """Return how many comparisons the scores order as the labeler did."""
    return sum(one.margin > 0 for one in found)


def length_balanced(by_prompt: Sequence[Sequence[Judgement]]) -> dict[str, float]:
    """Return accuracy where comparisons won by the longer and by the shorter completion weigh a half each.

    So "longer is better" reaches 0.5, whatever labelers prefer. With its 95 % interval over prompts; nothing
    where there are no comparisons of one of the two.
    """
    longer = [[one for one in prompt if one.length_ratio > 1] for prompt in by_prompt]
    shorter = [[one for one in prompt if one.length_ratio < 1] for prompt in by_prompt]
    if not any(longer) or not any(shorter):
        return {}
    halves = [([right(one) for one in half], [len(one) for one in half]) for half in (longer, shorter)]
    low, high = mean_ratio_interval(halves)
    return {
        "length_balanced_accuracy": sum(sum(hits) / sum(counts) for hits, counts in halves) / len(halves),
        "length_balanced_accuracy_low": low,
        "length_balanced_accuracy_high": high,
    }


def by_length(found: Sequence[Judgement]) -> dict[str, dict[str, float]]:
    """Return accuracy where the chosen completion is the shorter one, about as long, and the longer one."""
    groups = {
        "chosen_shorter": [one for one in found if one.length_ratio < 1 / _ABOUT_EQUAL],
        "about_as_long": [one for one in found if 1 / _ABOUT_EQUAL <= one.length_ratio <= _ABOUT_EQUAL],
        "chosen_longer": [one for one in found if one.length_ratio > _ABOUT_EQUAL],
    }
    return {
        name: {"accuracy": right(group) / len(group), "comparisons": len(group)}
        for name, group in groups.items()
        if group
    }


def calibration(found: Sequence[Judgement]) -> Iterator[dict[str, float]]:
    """Yield, for each fifth of predicted surety from 0.5 to 1, what was predicted and what was right.

    Equation 1 reads a margin m as sigma(|m|) that the higher score is the better completion.
    """
    sure = [(1 / (1 + math.exp(-min(abs(one.margin), 50.0))), one) for one in found]
    for number in range(_BINS):
        inside = [(p, one) for p, one in sure if min(int((2 * p - 1) * _BINS), _BINS - 1) == number]
        if inside:
            yield {
                "predicted": sum(p for p, _ in inside) / len(inside),
                "accuracy": right([one for _, one in inside]) / len(inside),
                "comparisons": len(inside),
            }


def overfits_from(losses: Sequence[tuple[int, float]]) -> int | None:
    """Return the step of the best held-out loss once two looks in a row rose above it by a twentieth."""
    if len(losses) < 3:
        return None
    best_step, best = min(losses, key=lambda look: look[1])
    (_, before), (_, last) = losses[-2:]
    return best_step if last > before > best and last > 1.05 * best else None
