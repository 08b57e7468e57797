"""Which metrics share a plot, and how a result is said."""

from annotate.plots import families, in_words, over_kl


def test_metrics_of_one_kind_share_a_plot_and_the_rest_stand_alone() -> None:
    named = ["eos_rate", "valid_loss", "kl", "loss", "score_mean", "accuracy"]
    assert families(named) == {
        "Loss": ["loss", "valid_loss"],
        "Accuracy": ["accuracy"],
        "KL": ["kl"],
        "Score": ["score_mean"],
        "eos_rate": ["eos_rate"],
    }


def test_held_out_scores_are_drawn_over_kl_where_it_was_measured() -> None:
    assert over_kl(["kl", "valid_score"]) == {}
    assert over_kl(["valid_kl", "valid_score"]) == {"Score over KL": ["valid_score"]}
    both = over_kl(["valid_kl", "valid_second_score", "valid_score"])
    assert both == {"Score over KL": ["valid_score", "valid_second_score"]}


def test_a_result_is_said_in_four_digits_without_what_is_nested() -> None:
    result = {"accuracy": 0.693147, "comparisons": 91, "held_out": "split", "samples": [1], "none": None}
    assert in_words(result) == [("accuracy", "0.6931"), ("comparisons", "91"), ("held_out", "split")]
