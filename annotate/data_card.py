"""A snapshot's data card, as Markdown: what is in it, by whom, under which instructions, and its limits.

Names of people are not in it: labelers are numbers.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC
from typing import Any

from django.utils.translation import gettext as _

from annotate.models import Snapshot

LONGEST_TABLE = 20
_MARKUP = re.compile(r"([\\`*_<>#|$~])")


def card(snapshot: Snapshot, level: int = 1) -> str:
    """Return the card; its headings begin at this level."""
    head, title = "#" * level, _("Data card of snapshot %(hash)s") % {"hash": snapshot}
    parts = [f"{head} {title}", "\n".join(_frozen(snapshot))]
    for heading, lines in _sections(snapshot):
        parts.append(f"{head}# {heading}")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _sections(snapshot: Snapshot) -> Iterator[tuple[str, Iterable[str]]]:
    facts = snapshot.facts
    yield _("What is in it"), _files(snapshot)
    if snapshot.query:
        yield _("Which part"), [f"- {plain(name)}: {plain(text)}" for name, text in _asked(snapshot)]
    for heading, key in ((_("Splits"), "splits"), (_("Sources"), "sources")):
        yield heading, _counted(snapshot, key)
    for heading, key in ((_("Categories"), "categories"), (_("Languages"), "languages")):
        yield heading, _counted(snapshot, key)
    yield _("By whom"), _by_whom(snapshot)
    yield _("Agreement"), [_agreement(facts.get("agreement", {}))]
    yield _("Lengths in characters"), _lengths(facts.get("lengths", {}))
    yield _("Instructions"), _instructions(facts.get("instructions", []))
    yield _("Known limits"), [f"- {limit}" for limit in _limits(snapshot)]


def plain(text: object) -> str:
    """Return a text in which nothing is Markdown."""
    words = _MARKUP.sub(r"\\\1", " ".join(str(text).split()))
    # After a backslash these begin a formula.
    return words.replace("[", "&#91;").replace("]", "&#93;")


def _frozen(snapshot: Snapshot) -> Iterator[str]:
    when = f"{snapshot.created_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    words = {"campaign": plain(snapshot.campaign), "when": when}
    yield _("Frozen from %(campaign)s, %(when)s. It never changes; its SHA-256 is") % words
    yield f"`{snapshot.sha256}`."


def _files(snapshot: Snapshot) -> Iterator[str]:
    yield from _head(_("Kind"), _("Rows"), _("Labelers"))
    for kind, about in snapshot.manifest.items():
        yield _row(kind, about["rows"], about.get("labelers", "–"))
    yield _row("comparisons", snapshot.manifest["rankings"]["comparisons"], "–")


def _asked(snapshot: Snapshot) -> list[tuple[str, str]]:
    """Return the query without anyone's name."""
    count = len(snapshot.query.get("labelers", []))
    chosen = _("%(count)d chosen") % {"count": count}
    return [(name, chosen if name == "labelers" else text) for name, text in snapshot.asked]


def _counted(snapshot: Snapshot, key: str) -> Iterator[str]:
    """Yield how many rows of each kind there are by what their prompts say."""
    by_kind = {kind: about.get(key, {}) for kind, about in snapshot.manifest.items()}
    names = sorted(by_kind["prompts"], key=lambda name: -by_kind["prompts"][name])
    names += sorted({name for counts in by_kind.values() for name in counts} - set(names))
    yield from _head("", *by_kind)
    for name in names[:LONGEST_TABLE]:
        yield _row(name or _("not told"), *(counts.get(name, 0) for counts in by_kind.values()))
    if len(names) > LONGEST_TABLE:
        rest = [sum(counts.get(name, 0) for name in names[LONGEST_TABLE:]) for counts in by_kind.values()]
        yield _row(_("all others"), *rest)


def _by_whom(snapshot: Snapshot) -> Iterator[str]:
    for kind in ("rankings", "demonstrations"):
        given = snapshot.manifest[kind].get("by_labeler", [])
        words = {"kind": kind, "count": len(given), "given": ", ".join(map(str, given[:LONGEST_TABLE]))}
        yield "- " + _("%(kind)s by %(count)d labelers; the most first: %(given)s") % words
    held_out = snapshot.facts.get("held_out", {"labelers": 0, "answers": 0})
    yield "- " + _("%(labelers)d held-out labelers, whose %(answers)d answers are not in it") % held_out


def _agreement(figure: dict[str, Any]) -> str:
    if figure.get("value") is None:
        return _("Too few prompts were ranked by two labelers for a figure.")
    told = {name: f"{100 * figure[name]:.1f}" for name in ("value", "low", "high")}
    told |= {"prompts": figure["prompts"], "count": figure["count"]}
    words = _(
        "%(value)s %% (95 %% interval %(low)s to %(high)s) of %(count)s comparisons that two labelers both "
        "decided were decided alike, on %(prompts)s prompts drawn evenly. The paper: 72.6 %%."
    )
    return str(words % told)


def _lengths(lengths: dict[str, dict[str, float]]) -> Iterator[str]:
    yield from _head(_("Of"), _("Measured"), _("Mean"), "25%", "50%", "75%", _("Max"))
    names = {"prompts": _("Prompts"), "completions": _("Completions"), "demonstrations": _("Demonstrations")}
    for kind, one in lengths.items():
        figures = ("texts", "mean", "quarter", "half", "three_quarters", "longest")
        yield _row(names[kind], *(round(one[figure]) for figure in figures))


def _instructions(versions: Sequence[dict[str, Any]]) -> Iterator[str]:
    if not versions:
        yield _("No answer names the instructions it was given under.")
    for version in versions:
        yield _("%(name)s, %(answers)d answers:") % (version | {"name": plain(version["name"])}) + "\n"
        yield "\n".join(f"> {line}" for line in version["text"].splitlines()) + "\n"


def _limits(snapshot: Snapshot) -> Iterator[str]:
    manifest, facts = snapshot.manifest, snapshot.facts
    yield _("Personal data was looked for by patterns, in training prompts alone; names are not found.")
    yield _("Completions are a model's: they may be wrong or harmful, which is why they are judged.")
    untold = manifest["rankings"].get("instructions", {}).get("", 0)
    if untold:
        yield _("%(count)d rankings came from files or under no instructions.") % {"count": untold}
    unnamed = manifest["rankings"]["rows"] - sum(manifest["rankings"].get("by_labeler", []))
    if unnamed > 0:
        yield _("%(count)d rankings name no labeler, and count in no agreement.") % {"count": unnamed}
    if facts.get("agreement", {}).get("value") is None:
        yield _("Most prompts have one labeler's judgement: nobody knows how far others would agree.")
    if len(manifest["rankings"].get("by_labeler", [])) == 1:
        yield _("All rankings are one person's.")


def _head(*names: str) -> Iterator[str]:
    yield _row(*names)
    yield _row(*("---" for _name in names))


def _row(*cells: object) -> str:
    return "| " + " | ".join(cell if cell == "---" else plain(cell) for cell in map(str, cells)) + " |"
