"""A share's interval, and when there is none."""

from functools import reduce
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotate.figures import ENOUGH_PROMPTS, Tally, of_prompt, share, together, wilson

a_prompt = st.sampled_from([(hits, seen) for seen in range(1, 7) for hits in range(seen + 1)])
prompts = st.lists(a_prompt, min_size=ENOUGH_PROMPTS, max_size=20)


def tally(prompts: list[tuple[int, int]]) -> Tally:
    return reduce(together, (of_prompt(hits, seen) for hits, seen in prompts), Tally())


def test_it_is_wilsons_interval() -> None:
    # 8 of 10, z = 1.96: (0.8 + 3.84/20 +- 1.96 sqrt(0.16/10 + 3.84/400)) / (1 + 3.84/10) = 0.7167 +- 0.2266
    assert wilson(0.8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)


def test_prompts_whose_comparisons_hang_together_count_as_one_draw_each() -> None:
    # Each prompt hits all of its 6 or none: as uncertain as 20 draws, 19 after the correction, not 120.
    figure = share(tally([(6, 6)] * 14 + [(0, 6)] * 6))
    assert (figure.value, figure.count, figure.prompts) == (0.7, 120, 20)
    assert (figure.low, figure.high) == pytest.approx(wilson(0.7, 19))


def test_full_agreement_is_no_certainty() -> None:
    figure = share(tally([(6, 6)] * 12))
    assert (figure.low, figure.high) == pytest.approx(wilson(1.0, 12))
    assert figure.low == pytest.approx(0.757, abs=1e-3)


def test_too_few_prompts_give_no_number_but_say_how_many_there_are() -> None:
    figure = share(tally([(3, 6)] * (ENOUGH_PROMPTS - 1)))
    assert (figure.value, figure.low, figure.high) == (None, None, None)
    assert (figure.prompts, figure.needed, figure.count, figure.is_enough) == (9, 10, 54, False)
    assert share(tally([(3, 6)] * ENOUGH_PROMPTS)).value == 0.5


@given(prompts)
def test_the_share_lies_in_its_interval(prompts: list[tuple[int, int]]) -> None:
    figure = share(tally(prompts))
    assert figure.value == pytest.approx(sum(hits for hits, _ in prompts) / sum(seen for _, seen in prompts))
    assert figure.value is not None and figure.low is not None and figure.high is not None
    assert 0 <= figure.low <= figure.value + 1e-12 and figure.value - 1e-12 <= figure.high <= 1


@given(prompts, prompts)
def test_order_does_not_matter(some: list[tuple[int, int]], others: list[tuple[int, int]]) -> None:
    assert together(tally(some), tally(others)) == tally(others + some)


def test_the_interval_holds_the_truth_about_95_times_in_100() -> None:
    """Prompts differ: in each a hit has its own chance, 0.5 or 0.9, so the truth is 0.7.

    Of 1000 intervals 950 +- 7 hold it if they are right; ones that take each comparison for a draw hold 830.
    """
    random = Random(7)
    held = 0
    for _ in range(1000):
        chances = random.choices([0.5, 0.9], k=40)
        figure = share(tally([(sum(random.random() < chance for _ in range(6)), 6) for chance in chances]))
        assert figure.low is not None and figure.high is not None
        held += figure.low <= 0.7 <= figure.high
    assert 925 <= held <= 975
