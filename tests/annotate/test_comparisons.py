import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotate.comparisons import comparisons, count_comparisons

ranks = st.lists(st.integers(1, 9), min_size=2, max_size=9)


def test_a_full_order_of_four_gives_six_with_their_margins() -> None:
    margins = {(chosen, rejected): margin for chosen, rejected, margin in comparisons([2, 1, 4, 3])}
    assert margins == {(0, 2): 2, (0, 3): 1, (1, 0): 1, (1, 2): 3, (1, 3): 2, (3, 2): 1}


@pytest.mark.parametrize(("ranks", "count"), [([1, 1], 0), ([1, 1, 2], 2), ([1, 2, 2, 4], 5), ([1] * 9, 0)])
def test_it_drops_ties(ranks: list[int], count: int) -> None:
    assert len(comparisons(ranks)) == count


@given(ranks)
def test_the_chosen_always_ranks_better_by_the_margin(ranks: list[int]) -> None:
    for chosen, rejected, margin in comparisons(ranks):
        assert ranks[rejected] - ranks[chosen] == margin > 0


@given(ranks)
def test_every_two_completions_are_compared_once_or_tied(ranks: list[int]) -> None:
    found = {frozenset(pair[:2]) for pair in comparisons(ranks)}
    tied = {frozenset((a, b)) for a in range(len(ranks)) for b in range(a) if ranks[a] == ranks[b]}
    assert not found & tied
    assert len(found) + len(tied) == len(ranks) * (len(ranks) - 1) // 2


@given(ranks)
def test_counting_agrees_with_making(ranks: list[int]) -> None:
    assert count_comparisons(ranks) == len(comparisons(ranks))
