"""The price of KL against its closed form, and each limit that ends a run."""

import pytest

from trainer.config import PpoConfig
from trainer.steering import adapted_kl_coef, reason_to_stop

STATS = {"kl": 5.0, "length": 20.0, "entropy": 1.5, "eos_rate": 0.8}


@pytest.mark.checklist(28)
@pytest.mark.parametrize(
    ("kl", "expected"),
    [
        (6.0, 0.2),
        (6.6, 0.2 * (1 + 0.1 * 512 / 10_000)),
        (60.0, 0.2 * (1 + 0.2 * 512 / 10_000)),  # the error is bounded at a fifth
        (-1.0, 0.2 * (1 - 0.2 * 512 / 10_000)),
    ],
)
def test_the_price_of_kl_follows_its_closed_form(kl: float, expected: float) -> None:
    assert adapted_kl_coef(0.2, kl, target=6.0, horizon=10_000, rollouts=512) == pytest.approx(expected)


@pytest.mark.checklist(41)
@pytest.mark.parametrize(
    ("limit", "far", "near", "words"),
    [
        ("max_kl", 4.9, 5.1, "KL 5.0 passed max_kl 4.9"),
        ("max_length_drift", 1.9, 2.1, "length 20.0 passed max_length_drift, 2.00 times"),
        ("min_entropy", 1.6, 1.4, "entropy 1.500 fell below min_entropy 1.6"),
        ("min_eos_rate", 0.9, 0.7, "EOS rate 0.80 fell below min_eos_rate 0.9"),
    ],
)
def test_a_run_that_leaves_a_limit_ends_with_its_reason(
    limit: str, far: float, near: float, words: str
) -> None:
    assert words in reason_to_stop(STATS, 10.0, PpoConfig(**{limit: far}))
    assert reason_to_stop(STATS, 10.0, PpoConfig(**{limit: near})) == ""


@pytest.mark.checklist(41)
def test_completions_that_shrink_have_drifted_too() -> None:
    assert "0.50 times" in reason_to_stop(STATS, 40.0, PpoConfig(max_length_drift=1.9))


def test_without_limits_nothing_ends_a_run() -> None:
    assert reason_to_stop(STATS | {"kl": 1e9, "entropy": 0.0, "eos_rate": 0.0}, 1e-9, PpoConfig()) == ""
