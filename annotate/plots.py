"""Pure: how numbers are shown: which metrics share a plot, and a result in words."""

from collections.abc import Iterable, Mapping

from django.utils.translation import gettext_lazy as _

FAMILIES = {
    "loss": _("Loss"),
    "accuracy": _("Accuracy"),
    "kl": _("KL"),
    "reward": _("Reward"),
    "score": _("Score"),
    "length": _("Length"),
    "lr": _("Learning rate"),
}
"""The last word of a metric's name, and the plot it belongs to; any other metric gets a plot of its own."""

HELD_OUT_SCORES = ("valid_score", "valid_second_score")


def families(names: Iterable[str]) -> dict[str, list[str]]:
    """Return titles with the metrics each plot shows, known families first.

    >>> families(["valid_loss", "loss", "kl", "eos_rate"])
    {'Loss': ['loss', 'valid_loss'], 'KL': ['kl'], 'eos_rate': ['eos_rate']}
    """
    named = sorted(names)
    plots = {
        title: [name for name in named if title_of(name) == title] for title in map(str, FAMILIES.values())
    }
    plots |= {name: [name] for name in named if title_of(name) == name}
    return {title: members for title, members in plots.items() if members}


def over_kl(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the plot of held-out scores over how far the policy went, none where KL was not measured."""
    measured = set(names)
    if "valid_kl" not in measured:
        return {}
    return {str(_("Score over KL")): [name for name in HELD_OUT_SCORES if name in measured]}


def title_of(name: str) -> str:
    words = [word for word in name.split("_") if word not in ("low", "high", "mean", "rate", "min", "max")]
    last = words[-1] if words else name
    return str(FAMILIES.get(last, name))


def in_words(result: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return a result's numbers and short texts as people read them; what is nested is left out."""
    plain = [(name, value) for name, value in result.items() if isinstance(value, bool | int | float | str)]
    return [(name, f"{value:.4g}" if isinstance(value, float) else str(value)) for name, value in plain]
