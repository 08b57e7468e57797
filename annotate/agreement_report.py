"""Pure: what the rankings of a campaign, read one after another, say of agreement and of what sways choices.

Memory grows with the labelers and their pairs, and by one number a ranking: its seconds. A ranking by nobody
named is compared with none: who knows whether one person made both?
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from itertools import chain, combinations, groupby
from operator import attrgetter, methodcaller
from statistics import median
from typing import NamedTuple

from annotate.agreement import Signs, compared, nominal, ordinal, signs
from annotate.alphas import GROUPS, Answers, alpha_of
from annotate.figures import Figure, Tally, of_prompt, share, together

PAPER_AGREEMENT = (0.726, 0.015)
"""Training labelers' agreement with each other, and its margin (Ouyang et al. 2022, section 3.4)."""
PAPER_HELD_OUT_AGREEMENT = (0.773, 0.013)
"""The same of its held-out labelers."""
SECONDS_A_DAY = 86_400

Key = tuple[str, ...]
"""A figure's name, then of whom or what it is: ("agreement",), ("labeler", "lena"), ("day", "20000")."""
Observation = tuple[Key, float, int]
"""Of `count` things that a prompt shows of a figure, how many hit."""


class Judged(NamedTuple):
    """One submitted ranking. All of a prompt's rankings have its completions in one order."""

    words: str
    """Equal for prompts that ask the same."""
    prompt: int
    labeler: str
    category: str
    submitted_at: float
    """Unix seconds."""
    seconds: float | None
    ranks: Sequence[int]
    ratings: Sequence[int | None]
    flags: Sequence[Iterable[str]]
    places: Sequence[int] | None
    """Where each completion was shown; None where nobody knows."""
    lengths: Sequence[int]
    texts: Sequence[str]
    """Equal for completions that say the same."""
    is_held_out: bool = False
    """By a labeler whose answers never train."""
    is_data: bool = True
    """Not one of the hidden checks, which tell of their labeler alone."""
    gold: Sequence[int] | None = None
    """What the ranks should be, where the labeler was checked by that."""

    @property
    def signs(self) -> Signs:
        return signs(self.ranks)


@dataclass(frozen=True, slots=True)
class LabelerFigures:
    labeler: str
    rankings: int
    median_seconds: float | None
    agreement: Figure
    agreement_with_ties: Figure
    self_consistency: Figure
    gold_accuracy: Figure


@dataclass(frozen=True, slots=True)
class GroupFigure:
    """Agreement on the prompts of a category, or between two labelers."""

    of: Key
    agreement: Figure


@dataclass(frozen=True, slots=True)
class DaysFigure:
    """Agreement of the days since the point before."""

    time: int
    """Unix seconds: when the last of them began (UTC)."""
    agreement: Figure

    @property
    def day(self) -> date:
        return datetime.fromtimestamp(self.time, UTC).date()


@dataclass(frozen=True, slots=True)
class Report:
    rankings: int
    paper_agreement: tuple[float, float]
    agreement: Figure
    agreement_with_ties: Figure
    held_out_agreement: Figure
    """Of held-out labelers with each other, beside paper_held_out_agreement."""
    paper_held_out_agreement: tuple[float, float]
    tau_b: Figure
    self_consistency: Figure
    gold_accuracy: Figure
    rating_alpha: Figure
    flag_alphas: dict[str, Figure]
    earlier_chosen: Figure
    longer_chosen: Figure
    median_seconds: float | None
    labelers: list[LabelerFigures]
    pairs: list[GroupFigure]
    categories: list[GroupFigure]
    over_time: list[DaysFigure]


@dataclass(slots=True)
class Gathered:
    """What is kept of the rankings read so far."""

    tallies: defaultdict[Key, Tally] = field(default_factory=lambda: defaultdict(Tally))
    answers: list[Answers] = field(default_factory=lambda: [Answers() for _group in range(GROUPS)])
    """Of ratings and yes/no questions, in groups for the interval of alpha."""
    rankings: Counter[str] = field(default_factory=Counter)
    seconds: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


def report(judged: Iterable[Judged], flags: Sequence[str]) -> Report:
    """Return every figure of rankings that come sorted by words, then by prompt.

    Args:
        flags: the names of the yes/no questions.
    """
    gathered = Gathered()
    for _words, alike in groupby(judged, lambda one: one.words):
        gather(gathered, list(alike))
    return _report(gathered, flags)


def gather(gathered: Gathered, judged: list[Judged]) -> None:
    """Add the rankings of all prompts that ask the same."""
    _tally(gathered, chain(repeats(judged), checks(judged)))
    for one in judged:
        # Who was only checked so far is there as well.
        gathered.rankings[one.labeler] += one.is_data
    data = [one for one in judged if one.is_data]
    for one in data:
        if one.seconds is not None:
            gathered.seconds[one.labeler].append(one.seconds)
    for _prompt, rankings in groupby(data, lambda one: one.prompt):
        of_one = list(rankings)
        _tally(gathered, choices(of_one))
        named = list({one.labeler: one for one in of_one if one.labeler}.values())
        if len(named) > 1:
            _tally(gathered, agreements(named))
            _answers(gathered, named)


def _tally(gathered: Gathered, observations: Iterable[Observation]) -> None:
    """Sum a prompt's observations of each figure, then add it as one prompt."""
    hits: defaultdict[Key, float] = defaultdict(float)
    seen: defaultdict[Key, int] = defaultdict(int)
    for key, some_hits, count in observations:
        hits[key] += some_hits
        seen[key] += count
    for key, count in seen.items():
        if count:
            gathered.tallies[key] = together(gathered.tallies[key], of_prompt(hits[key], count))


def agreements(rankings: Sequence[Judged]) -> Iterator[Observation]:
    """Yield what one prompt's rankings, each by another labeler, show of agreement."""
    for (one, one_signs), (other, other_signs) in combinations([(one, one.signs) for one in rankings], 2):
        found = compared(one_signs, other_signs)
        day = int(max(one.submitted_at, other.submitted_at) // SECONDS_A_DAY)
        pair = sorted((one.labeler, other.labeler))
        groups: list[Key] = [("agreement",), ("pair", *pair), ("day", str(day))]
        groups += [("labeler", one.labeler), ("labeler", other.labeler)]
        groups += [("held out",)] if one.is_held_out and other.is_held_out else []
        groups += [("category", one.category)] if one.category else []
        for key in groups:
            yield key, found.alike, found.decided_by_both
        for key in [("with ties",), ("with ties", one.labeler), ("with ties", other.labeler)]:
            yield key, found.alike_with_ties, found.comparisons
        if found.tau_b is not None:
            # From 0 to 1, as every tally; the report stretches it again.
            yield ("tau_b",), (found.tau_b + 1) / 2, 1


def choices(rankings: Iterable[Judged]) -> Iterator[Observation]:
    """Yield how often the completion shown earlier, and the longer one, is ranked better."""
    for one in rankings:
        for key, values in [(("earlier",), one.places), (("longer",), [-length for length in one.lengths])]:
            if values is not None:
                # Smaller is earlier, and, turned round, longer: the order of a ranking.
                found = compared(one.signs, signs(values))
                yield key, found.alike, found.decided_by_both


def repeats(judged: Iterable[Judged]) -> Iterator[Observation]:
    """Yield how far those who judged the same texts more than once agree with themselves.

    The same prompt comes back as another one with the same words and the same completions, in any order.
    """
    again: defaultdict[tuple[str, ...], list[Signs]] = defaultdict(list)
    for one in judged:
        by_text = sorted(zip(one.texts, one.ranks, strict=True))
        texts = [text for text, _rank in by_text]
        # Of two equal texts in one ranking, nothing tells which is which the next time.
        if one.labeler and len(set(texts)) == len(texts):
            again[one.labeler, *texts].append(signs([rank for _text, rank in by_text]))
    for (labeler, *_texts), made in again.items():
        for first, second in combinations(made, 2):
            found = compared(first, second)
            for key in [("self",), ("self", labeler)]:
                yield key, found.alike, found.decided_by_both


def checks(judged: Iterable[Judged]) -> Iterator[Observation]:
    """Yield how many of the comparisons that gold decides are decided the same way; a tie is not."""
    for one in judged:
        if one.gold is not None:
            found = compared(signs(one.gold), one.signs)
            for key in [("gold",), ("gold", one.labeler)]:
                yield key, found.alike, found.decided_by_one


def _answers(gathered: Gathered, rankings: Sequence[Judged]) -> None:
    """Count what the labelers of one prompt answered, completion by completion."""
    answered = 0
    for place in range(len(rankings[0].ranks)):
        # A file without ratings asked no flags either.
        asked = [one for one in rankings if one.ratings[place] is not None]
        if len(asked) > 1:
            answered += 1
            group = gathered.answers[gathered.tallies["answered",].prompts % GROUPS]
            ratings = [one.ratings[place] or 0 for one in asked]
            group.add(ratings, chain.from_iterable(one.flags[place] for one in asked))
    _tally(gathered, [(("answered",), 0, answered)])


def _report(gathered: Gathered, flags: Sequence[str]) -> Report:
    tallies, answered = gathered.tallies, share(gathered.tallies["answered",])
    return Report(
        rankings=gathered.rankings.total(),
        paper_agreement=PAPER_AGREEMENT,
        agreement=share(tallies["agreement",]),
        agreement_with_ties=share(tallies["with ties",]),
        held_out_agreement=share(tallies["held out",]),
        paper_held_out_agreement=PAPER_HELD_OUT_AGREEMENT,
        tau_b=_stretched(share(tallies["tau_b",])),
        self_consistency=share(tallies["self",]),
        gold_accuracy=share(tallies["gold",]),
        rating_alpha=alpha_of(gathered.answers, attrgetter("ratings"), ordinal, answered),
        flag_alphas={
            flag: alpha_of(gathered.answers, methodcaller("of_flag", flag), nominal, answered)
            for flag in flags
        },
        earlier_chosen=share(tallies["earlier",]),
        longer_chosen=share(tallies["longer",]),
        median_seconds=_median([second for seconds in gathered.seconds.values() for second in seconds]),
        labelers=[_labeler(gathered, name) for name in sorted(gathered.rankings) if name],
        pairs=_groups(tallies, "pair"),
        categories=_groups(tallies, "category"),
        over_time=over_time(tallies),
    )


def _stretched(figure: Figure) -> Figure:
    """Return a figure from 0 to 1 as one from -1 to 1."""
    if figure.value is None or figure.low is None or figure.high is None:
        return figure
    return replace(figure, value=2 * figure.value - 1, low=2 * figure.low - 1, high=2 * figure.high - 1)


def _labeler(gathered: Gathered, name: str) -> LabelerFigures:
    tallies = gathered.tallies
    return LabelerFigures(
        labeler=name,
        rankings=gathered.rankings[name],
        median_seconds=_median(gathered.seconds[name]),
        agreement=share(tallies["labeler", name]),
        agreement_with_ties=share(tallies["with ties", name]),
        self_consistency=share(tallies["self", name]),
        gold_accuracy=share(tallies["gold", name]),
    )


def _groups(tallies: dict[Key, Tally], name: str) -> list[GroupFigure]:
    return [GroupFigure(key[1:], share(tallies[key])) for key in sorted(tallies) if key[0] == name]


def over_time(tallies: dict[Key, Tally]) -> list[DaysFigure]:
    """Return a point for each run of days that has enough; what is left at the end waits for more."""
    points, so_far = [], Tally()
    for day in sorted(int(key[1]) for key in tallies if key[0] == "day"):
        so_far = together(so_far, tallies["day", str(day)])
        figure = share(so_far)
        if figure.is_enough:
            points.append(DaysFigure(day * SECONDS_A_DAY, figure))
            so_far = Tally()
    return points


def _median(seconds: Sequence[float]) -> float | None:
    return median(seconds) if seconds else None
