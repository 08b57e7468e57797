"""What rankings, read one after another, say: between labelers, within groups, over time, of what sways."""

from collections import Counter
from math import sqrt
from statistics import mean
from typing import Any

import pytest

from annotate.agreement import alpha, ordinal
from annotate.agreement_report import Judged, Report, report
from annotate.figures import Figure

FLAGS = ["opinion", "sexual"]
DAY = 86_400


def ranking(prompt: int, labeler: str, ranks: list[int], **fields: Any) -> Judged:
    k = len(ranks)
    facts = {
        "words": f"words {prompt:03}",
        "prompt": prompt,
        "labeler": labeler,
        "category": "",
        "submitted_at": 0.0,
        "seconds": None,
        "ranks": ranks,
        "ratings": [None] * k,
        "flags": [[]] * k,
        "places": None,
        "lengths": [1] * k,
        "texts": [f"text {prompt} {place}" for place in range(k)],
    }
    return Judged(**facts | fields)


def said(*rankings: Judged) -> Report:
    return report(rankings, FLAGS)


def value(figure: Figure) -> tuple[float | None, int, int]:
    return figure.value, figure.count, figure.prompts


def three_labelers(prompt: int) -> list[Judged]:
    """Lena and Lars order three completions alike; Mona agrees on AC and BC, and ties A and B."""
    category = "chat" if prompt < 10 else "qa"
    orders = {"lena": [1, 2, 3], "lars": [1, 2, 3], "mona": [1, 1, 3] if prompt < 10 else [3, 2, 1]}
    return [ranking(prompt, name, ranks, category=category) for name, ranks in orders.items()]


def test_agreement_between_all_pairs_and_groups_of_labelers() -> None:
    # A "chat" prompt: lena-lars 3 of 3, each with mona 2 of 2: 7 of 7. A "qa" prompt: 3 of 3, 0 of 3, 0 of 3.
    found = said(*[one for prompt in range(20) for one in three_labelers(prompt)])
    assert value(found.agreement) == (pytest.approx((70 + 30) / (70 + 90)), 160, 20)
    assert [(one.of, value(one.agreement)) for one in found.categories] == [
        (("chat",), (1.0, 70, 10)),
        (("qa",), (pytest.approx(1 / 3), 90, 10)),
    ]
    assert [(one.of, value(one.agreement)) for one in found.pairs] == [
        (("lars", "lena"), (1.0, 60, 20)),
        (("lars", "mona"), (pytest.approx(20 / 50), 50, 20)),
        (("lena", "mona"), (pytest.approx(20 / 50), 50, 20)),
    ]
    mona = found.labelers[2]
    assert (mona.labeler, mona.rankings, value(mona.agreement)) == ("mona", 20, (0.4, 100, 20))


def test_ties_as_a_third_answer() -> None:
    # Both tie A and B; lena ties C and D as well, lars puts C first of the two: five of six the same.
    orders = {"lena": [1, 1, 3, 3], "lars": [1, 1, 3, 4]}
    found = said(*[ranking(prompt, *order) for prompt in range(10) for order in orders.items()])
    assert value(found.agreement_with_ties) == (pytest.approx(5 / 6), 60, 10)
    assert value(found.labelers[0].agreement_with_ties) == (pytest.approx(5 / 6), 60, 10)
    assert value(found.agreement) == (1.0, 40, 10)


def test_tau_b_is_a_mean_over_pairs_of_rankings() -> None:
    # lena-lars 1; with mona's tie 2 / sqrt(3 * 2), twice.
    found = said(*[one for prompt in range(10) for one in three_labelers(prompt)])
    assert value(found.tau_b) == (pytest.approx((1 + 2 * 2 / 6**0.5) / 3), 30, 10)


def test_nine_prompts_are_not_enough() -> None:
    found = said(*[one for prompt in range(9) for one in three_labelers(prompt)])
    for figure in (found.agreement, found.tau_b, found.labelers[0].agreement, found.pairs[0].agreement):
        assert (figure.value, figure.prompts, figure.needed) == (None, 9, 10)


def test_nobody_named_is_compared_with_nobody() -> None:
    found = said(*[ranking(prompt, name, [1, 2]) for prompt in range(10) for name in ("lena", "")])
    assert (found.rankings, found.agreement.prompts) == (20, 0)
    assert [one.labeler for one in found.labelers] == ["lena"]


def test_self_consistency_finds_the_same_texts_again_in_another_order() -> None:
    # Texts x, y, z twice: x > y > z, then, shown as z, x, y, x > z > y: alike on xy and xz, not on yz.
    again = []
    for number in range(10):
        words = f"words {number:03}"
        again.append(ranking(2 * number, "lena", [1, 2, 3], words=words, texts=["x", "y", "z"]))
        again.append(ranking(2 * number + 1, "lena", [2, 1, 3], words=words, texts=["z", "x", "y"]))
    found = said(*again)
    assert value(found.self_consistency) == (pytest.approx(2 / 3), 30, 10)
    assert value(found.labelers[0].self_consistency) == (pytest.approx(2 / 3), 30, 10)
    assert found.agreement.prompts == 0


def test_equal_texts_in_one_ranking_say_nothing_of_consistency() -> None:
    twice = [ranking(prompt, "lena", [1, 2], words="w", texts=["same", "same"]) for prompt in range(20)]
    assert said(*twice).self_consistency.count == 0


def test_position_and_length_bias() -> None:
    # A (rank 2) was shown last, B (rank 1) first, C (rank 3) between: the earlier one wins AB and BC, loses
    # AC. A and B are equally long and longer than C, which loses to both.
    shown = [ranking(prompt, "lena", [2, 1, 3], places=[2, 0, 1], lengths=[9, 9, 5]) for prompt in range(10)]
    found = said(*shown)
    assert value(found.earlier_chosen) == (pytest.approx(2 / 3), 30, 10)
    assert value(found.longer_chosen) == (1.0, 20, 10)


def test_alpha_of_ratings_and_flags_takes_each_completion_for_a_unit() -> None:
    # Ten times the four completions of test_alpha_by_hand. 1 was given 30 times, 0 50 times, 20 times apart.
    flags = {"lena": [["opinion"], [], [], []], "lars": [["opinion"], [], [], ["opinion"]]}
    ratings = {"lena": [7, 1, 4, 4], "lars": [7, 1, 4, 4]}
    rated = [
        ranking(prompt, name, [1, 2, 3, 4], flags=flags[name], ratings=ratings[name])
        for prompt in range(10)
        for name in flags
    ]
    found = said(*rated)
    assert value(found.rating_alpha) == (1.0, 40, 10)
    assert value(found.flag_alphas["opinion"]) == (pytest.approx(1 - 79 * 20 / (2 * 30 * 50)), 40, 10)
    assert value(found.flag_alphas["sexual"]) == (None, 40, 10)


def test_alpha_has_the_interval_of_the_jackknife() -> None:
    # Ten prompts are ten groups; the two labelers differ on the last one only.
    ratings = [(7, 7)] * 5 + [(1, 1)] * 4 + [(7, 6)]
    rated = [
        ranking(prompt, name, [1, 2], ratings=[rating, None])
        for prompt, both in enumerate(ratings)
        for name, rating in zip(("lena", "lars"), both, strict=True)
    ]
    found = said(*rated).rating_alpha
    groups = [Counter(ratings[:place] + ratings[place + 1 :]) for place in range(10)]
    left_out = [alpha(Counter({tuple(sorted(a)): n for a, n in one.items()}), ordinal) for one in groups]
    spread = sqrt(0.9 * sum((one - mean(left_out)) ** 2 for one in left_out))
    assert found.high == 1.0
    assert found.low == pytest.approx(found.value - 2.262 * spread)


def test_unrated_completions_were_asked_no_flags() -> None:
    found = said(*[one for prompt in range(20) for one in three_labelers(prompt)])
    assert value(found.rating_alpha) == value(found.flag_alphas["opinion"]) == (None, 0, 0)


def test_a_point_in_time_waits_until_there_is_enough() -> None:
    # Six prompts a day over three days: the first two days make a point of 12, the third waits.
    days = [
        ranking(prompt, name, [1, 2], submitted_at=prompt // 6 * DAY + 99.0)
        for prompt in range(18)
        for name in ("lena", "lars")
    ]
    points = said(*days).over_time
    assert [(point.time, value(point.agreement)) for point in points] == [(DAY, (1.0, 12, 12))]


def test_speed_is_the_median() -> None:
    timed = [ranking(prompt, "lena", [1, 2], seconds=float(prompt)) for prompt in range(5)]
    found = said(*timed, ranking(9, "lars", [1, 2], seconds=100.0), ranking(10, "mona", [1, 2]))
    assert found.median_seconds == 2.5
    assert [one.median_seconds for one in found.labelers] == [100, 2, None]
