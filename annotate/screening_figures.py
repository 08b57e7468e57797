"""Pure: how far a candidate's answers are from researchers' to the same prompts (paper, appendix B.1).

All are soft cut-offs: the paper's final choice was made by looking at all of it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from annotate.agreement import compared
from annotate.agreement_report import Judged
from annotate.figures import Figure, Tally, of_prompt, share, together

FLAGS_CUTOFF, RANKINGS_CUTOFF, GRADE_CUTOFF = 0.75, 0.75, 6.0
SENSITIVE = frozenset({"sexual", "violent", "encourages_violence", "denigrates", "harmful_advice"})
"""Raising any of these on a completion flags it as sensitive speech."""
WORST_GRADE, BEST_GRADE = 1, 7


@dataclass(frozen=True, slots=True)
class Screened:
    """One candidate's figures."""

    flags: Figure
    """Completions flagged as sensitive, or not, as a researcher did."""
    rankings: Figure
    """Comparisons decided as a researcher decided them."""
    grade: Figure
    """Of demonstrations, from 1 to 7."""


def screened(
    prompts: Iterable[Sequence[Judged]], candidate: str, researchers: set[str], grades: Iterable[float]
) -> Screened:
    """Return the figures of one candidate.

    Args:
        prompts: the rankings of each prompt.
        grades: the mean grade of each demonstration.
    """
    flags, rankings, graded = Tally(), Tally(), Tally()
    for prompt in prompts:
        own = [one for one in prompt if one.labeler == candidate]
        references = [one for one in prompt if one.labeler in researchers]
        if own and references:
            flags = together(flags, _tally(_flagged(own[-1], references)))
            rankings = together(rankings, _tally(_ranked(own[-1], references)))
    for grade in grades:
        # From 0 to 1, as every tally; the figure is stretched again.
        graded = together(graded, of_prompt((grade - WORST_GRADE) / (BEST_GRADE - WORST_GRADE), 1))
    return Screened(share(flags), share(rankings), _stretched(share(graded)))


def _tally(observed: Iterable[tuple[int, int]]) -> Tally:
    """Sum a prompt's (hits, seen) over its references."""
    pairs = list(observed)
    seen = sum(count for _hits, count in pairs)
    return of_prompt(sum(hits for hits, _count in pairs), seen) if seen else Tally()


def _flagged(own: Judged, references: Sequence[Judged]) -> Iterator[tuple[int, int]]:
    for reference in references:
        both = list(zip(_sensitive(own), _sensitive(reference), strict=True))
        yield sum(a == b for a, b in both), len(both)


def _sensitive(one: Judged) -> list[bool]:
    return [not SENSITIVE.isdisjoint(flags) for flags in one.flags]


def _ranked(own: Judged, references: Sequence[Judged]) -> Iterator[tuple[int, int]]:
    for reference in references:
        found = compared(own.signs, reference.signs)
        yield found.alike, found.decided_by_both


def _stretched(figure: Figure) -> Figure:
    """Return a figure from 0 to 1 as a grade from 1 to 7."""
    if figure.value is None or figure.low is None or figure.high is None:
        return figure
    value, low, high = (
        WORST_GRADE + (BEST_GRADE - WORST_GRADE) * each for each in (figure.value, figure.low, figure.high)
    )
    return replace(figure, value=value, low=low, high=high)
