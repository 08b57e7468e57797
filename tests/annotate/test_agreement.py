"""How alike two rankings are, and the answers of several labelers."""

from collections import Counter
from collections.abc import Sequence

import krippendorff
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from annotate.agreement import Compared, Units, alpha, compared, nominal, ordinal, signs

pairs_of_rankings = st.integers(2, 9).flatmap(
    lambda k: st.tuples(*[st.lists(st.integers(1, 9), min_size=k, max_size=k)] * 2)
)
units = st.lists(st.lists(st.integers(1, 7), min_size=2, max_size=4), min_size=1, max_size=12)

# Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", section E: four observers, twelve units.
OBSERVERS = [
    "1 2 3 3 2 1 4 1 2 - - -",
    "1 2 3 3 2 2 4 1 2 5 - 3",
    "- 3 3 3 2 3 4 2 2 5 1 -",
    "1 2 3 3 2 4 4 1 2 5 1 -",
]


def of(*rankings: Sequence[int]) -> Compared:
    one, other = rankings
    return compared(signs(one), signs(other))


def as_units(rows: Sequence[Sequence[int]]) -> Units:
    return Counter(tuple(sorted(row)) for row in rows)


def test_both_ways_of_counting_ties() -> None:
    # A > B > C = D against A > C > B = D. Of six comparisons: AB, AC, AD alike; BC opposed; BD tied by the
    # second alone, CD by the first alone. So 3 of the 4 that both decide; with ties 3 of 6.
    found = of([1, 2, 3, 3], [1, 3, 2, 3])
    assert (found.alike, found.decided_by_both) == (3, 4)
    assert (found.alike_with_ties, found.comparisons) == (3, 6)


def test_a_tie_by_both_is_alike_only_where_ties_count() -> None:
    found = of([1, 1, 2], [1, 1, 2])
    assert (found.alike, found.decided_by_both) == (2, 2)
    assert (found.alike_with_ties, found.comparisons) == (3, 3)


def test_tau_b_by_hand() -> None:
    # As above: 3 alike, 1 opposed, 5 decided by each: (3 - 1) / sqrt(5 * 5).
    assert of([1, 2, 3, 3], [1, 3, 2, 3]).tau_b == pytest.approx(0.4)
    assert of([1, 1, 1], [1, 2, 3]).tau_b is None


@given(pairs_of_rankings)
def test_tau_b_is_scipys(rankings: tuple[list[int], list[int]]) -> None:
    assume(all(len(set(ranks)) > 1 for ranks in rankings))
    assert of(*rankings).tau_b == pytest.approx(kendalltau(*rankings, variant="b").statistic)


@given(pairs_of_rankings)
def test_whose_ranking_comes_first_does_not_matter(rankings: tuple[list[int], list[int]]) -> None:
    one, other = of(*rankings), of(*reversed(rankings))
    assert (one.alike, one.alike_with_ties, one.tau_b) == (other.alike, other.alike_with_ties, other.tau_b)


@given(pairs_of_rankings)
def test_everyone_agrees_with_themselves_and_never_with_the_reverse(
    rankings: tuple[list[int], list[int]],
) -> None:
    ranks = rankings[0]
    same, reverse = of(ranks, ranks), of(ranks, [10 - rank for rank in ranks])
    assert same.alike == same.decided_by_both and same.alike_with_ties == same.comparisons
    assert reverse.alike == 0


def test_alpha_of_krippendorffs_own_example() -> None:
    columns = zip(*(row.split() for row in OBSERVERS), strict=True)
    rated = [[int(answer) for answer in column if answer != "-"] for column in columns]
    found = as_units([answers for answers in rated if len(answers) > 1])
    assert alpha(found, nominal) == pytest.approx(0.743, abs=5e-4)
    assert alpha(found, ordinal) == pytest.approx(0.815, abs=5e-4)


def test_alpha_by_hand() -> None:
    # Two yes/no answers on four completions: 1 1, 0 0, 0 0, 0 1. Coincidences: 11 twice, 00 four times, 01
    # and 10 once each; so 1 was given three times, 0 five times. 1 - (8 - 1) * 2 / (2 * 3 * 5) = 8 / 15.
    assert alpha(Counter({(1, 1): 1, (0, 0): 2, (0, 1): 1}), nominal) == pytest.approx(8 / 15)


def test_alpha_is_one_when_all_agree_and_no_number_when_all_say_the_same() -> None:
    assert alpha(Counter({(1, 1): 3, (7, 7, 7): 2}), ordinal) == 1
    assert alpha(Counter({(4, 4): 30}), ordinal) is None
    assert alpha(Counter(), nominal) is None


@given(units, st.sampled_from([("nominal", nominal), ("ordinal", ordinal)]))
def test_alpha_is_the_librarys(rows: list[list[int]], level: tuple[str, object]) -> None:
    assume(len({answer for row in rows for answer in row}) > 1)
    counts = [[row.count(value) for value in range(1, 8)] for row in rows]
    expected = krippendorff.alpha(value_counts=counts, level_of_measurement=level[0])
    assert alpha(as_units(rows), level[1]) == pytest.approx(expected)
