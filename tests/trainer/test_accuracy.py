"""Accuracy by hand: over comparisons, by length, by surety, and when it begins to fall."""

import math

import pytest

from trainer.accuracy import (
    Judgement,
    by_length,
    calibration,
    figures,
    judgements,
    length_balanced,
    overfits_from,
)
from trainer.rankings import JudgedPrompt

JUDGED = JudgedPrompt([5], [[6, 1], [7, 7, 7, 1], [8, 1]], [(0, 1), (1, 2), (0, 2)])


def test_a_judgement_is_a_lead_in_score_and_a_ratio_of_lengths() -> None:
    assert judgements(([3.0, 1.0, 2.0], JUDGED)) == [(2.0, 0.5), (-1.0, 2.0), (1.0, 1.0)]


@pytest.mark.checklist(16)
def test_accuracy_counts_comparisons_and_a_tie_in_score_is_not_right() -> None:
    result = figures([([3.0, 1.0, 2.0], JUDGED), ([1.0, 1.0, 1.0], JUDGED)])
    assert result["accuracy"] == pytest.approx(2 / 6)
    assert (result["comparisons"], result["prompts"]) == (6, 2)
    assert result["longer_accuracy"] == pytest.approx(1 / 3)
    assert result["accuracy_low"] == 0 and result["accuracy_high"] == pytest.approx(2 / 3)


@pytest.mark.checklist(16)
def test_accuracy_is_shown_by_which_completion_is_the_longer() -> None:
    found = [Judgement(1, 0.5), Judgement(-1, 0.5), Judgement(1, 1.1), Judgement(-1, 1.3)]
    assert by_length(found) == {
        "chosen_shorter": {"accuracy": 0.5, "comparisons": 2},
        "about_as_long": {"accuracy": 1, "comparisons": 1},
        "chosen_longer": {"accuracy": 0, "comparisons": 1},
    }


@pytest.mark.checklist(16)
def test_longer_is_better_scores_a_half_where_lengths_are_balanced() -> None:
    won_by_longer, won_by_shorter = Judgement(1, 1.5), Judgement(-1, 0.5)
    by_rule = [[won_by_longer] * 3 + [won_by_shorter], [won_by_longer, won_by_shorter, Judgement(1, 1)]]
    assert length_balanced(by_rule) == {
        "length_balanced_accuracy": 0.5,
        "length_balanced_accuracy_low": 0.5,
        "length_balanced_accuracy_high": 0.5,
    }
    mixed = length_balanced([[Judgement(1, 2), Judgement(1, 2), Judgement(1, 0.5), Judgement(-1, 0.5)]] * 2)
    assert mixed["length_balanced_accuracy"] == 0.75
    assert length_balanced([[won_by_longer, Judgement(1, 1)]]) == {}


def test_a_draw_of_prompts_that_lacks_a_length_is_left_out_of_the_interval() -> None:
    found = length_balanced([[Judgement(1, 2)], [Judgement(-1, 0.5)], [Judgement(1, 2), Judgement(1, 0.5)]])
    assert (found["length_balanced_accuracy_low"], found["length_balanced_accuracy_high"]) == (0.5, 1)
    assert found["length_balanced_accuracy"] == 0.75


@pytest.mark.checklist(16)
def test_calibration_holds_what_was_predicted_against_what_was_right() -> None:
    lead = math.log(0.75 / 0.25)  # sigma of it is 0.75, the middle of the third fifth
    less = math.log(0.65 / 0.35)  # in the second fifth
    found = [Judgement(lead, 1)] * 3 + [Judgement(-lead, 1), Judgement(less, 1), Judgement(1000.0, 1)]
    second, middle, last = calibration(found)
    assert second == pytest.approx({"predicted": 0.65, "accuracy": 1.0, "comparisons": 1})
    assert middle == pytest.approx({"predicted": 0.75, "accuracy": 0.75, "comparisons": 4})
    assert last == pytest.approx({"predicted": 1.0, "accuracy": 1.0, "comparisons": 1})
    flat = JudgedPrompt([5], [[6, 1], [7, 1]], [(0, 1)])
    wrong = figures([([-lead, 0.0], flat)])
    assert wrong["calibration_error"] == pytest.approx(0.75)


@pytest.mark.checklist(14)
def test_overfitting_is_two_rises_in_a_row_above_the_best() -> None:
    assert overfits_from([(1, 0.7), (2, 0.6), (3, 0.65), (4, 0.7)]) == 2
    assert overfits_from([(1, 0.7), (2, 0.6), (3, 0.7), (4, 0.65)]) is None
    assert overfits_from([(1, 0.7), (2, 0.6), (3, 0.601), (4, 0.602)]) is None
    assert overfits_from([(1, 0.6), (2, 0.7)]) is None


def test_without_a_comparison_there_is_no_accuracy() -> None:
    assert figures([]) == {"accuracy": None, "comparisons": 0, "prompts": 0}
