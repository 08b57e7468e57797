"""Pure: which metrics share a plot."""

from collections.abc import Iterable

FAMILIES = {
    "loss": "Loss",
    "accuracy": "Accuracy",
    "kl": "KL",
    "reward": "Reward",
    "score": "Score",
    "length": "Length",
    "lr": "Learning rate",
}
"""The last word of a metric's name, and the plot it belongs to; any other metric gets a plot of its own."""


def families(names: Iterable[str]) -> dict[str, list[str]]:
    """Return titles with the metrics each plot shows, known families first.

    >>> families(["valid_loss", "loss", "kl", "eos_rate"])
    {'Loss': ['loss', 'valid_loss'], 'KL': ['kl'], 'eos_rate': ['eos_rate']}
    """
    named = sorted(names)
    plots = {title: [name for name in named if title_of(name) == title] for title in FAMILIES.values()}
    plots |= {name: [name] for name in named if title_of(name) == name}
    return {title: members for title, members in plots.items() if members}


def title_of(name: str) -> str:
    words = [word for word in name.split("_") if word not in ("low", "high", "mean", "rate", "min", "max")]
    last = words[-1] if words else name
    return FAMILIES.get(last, name)
