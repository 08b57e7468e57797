"""Pure: what a line of the wire formats must say, strictly; a refusal names the key and what to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, cast

from django.utils.translation import gettext as _

from annotate.errors import Invalid
from annotate.models import Flag, Source, Split

Kind = Literal["rankings", "demonstrations", "prompts"]
Message = dict[str, str]

MAX_COMPLETIONS = 9
MAX_SECONDS = 10_000_000.0
SPLITS, SOURCES, FLAGS = Split.values, Source.values, frozenset(Flag.values)
"""Asked for once: the enums make them anew each time, which was a quarter of an import."""

_ABOUT_PROMPT = {"split", "source", "author", "category", "language"}
_NEEDED: dict[Kind, set[str]] = {
    "rankings": {"id", "prompt", "completions", "ranks"},
    "demonstrations": {"id", "prompt", "completion"},
    "prompts": {"id", "prompt"},
}
_OPTIONAL: dict[Kind, set[str]] = {
    "rankings": _ABOUT_PROMPT | {"labeler", "ratings", "flags", "demonstration", "seconds"},
    "demonstrations": _ABOUT_PROMPT,
    "prompts": _ABOUT_PROMPT,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One checked line. What the line left out, or its kind does not have, is empty or None."""

    line: int
    size: int
    id: str
    prompt: list[Message]
    split: str
    source: str
    author: str
    category: str
    language: str
    completions: list[tuple[str, str]]
    """(text, policy) in the file's order; ranks, ratings and flags follow it."""
    ranks: list[int]
    ratings: list[int]
    flags: list[list[str]]
    labeler: str
    demonstration: str
    seconds: float | None


def refuse_line(number: int, problem: str) -> NoReturn:
    """Raise Invalid naming the line."""
    raise Invalid(_("Line %(line)d: %(problem)s") % {"line": number, "problem": problem})


def row(
    kind: Kind, number: int, size: int, values: dict[str, Any], known_flags: frozenset[str] = FLAGS
) -> Row:
    """Return what a line's object says, of `size` bytes. Raises Invalid naming the key that is wrong."""
    _check_keys(kind, values)
    completions = _completions(values) if kind == "rankings" else []
    count = len(completions)
    written = "completion" if kind == "demonstrations" else "demonstration"
    return Row(
        line=number,
        size=size,
        id=_required_text(values, "id", 200),
        prompt=_prompt(values),
        split=_word(values, "split", SPLITS),
        source=_word(values, "source", SOURCES),
        author=_optional_text(values, "author", 150),
        category=_optional_text(values, "category", 50),
        language=_optional_text(values, "language", 20),
        completions=completions,
        ranks=_ranks(values, count) if completions else [],
        ratings=_ratings(values, count) if "ratings" in values else [],
        flags=_flags(values, count, known_flags) if "flags" in values else [],
        labeler=_optional_text(values, "labeler", 150),
        demonstration=_optional_text(values, written),
        seconds=_seconds(values),
    )


def _check_keys(kind: Kind, values: dict[str, Any]) -> None:
    if missing := sorted(_NEEDED[kind] - values.keys()):
        raise Invalid(_("%(keys)s missing.") % {"keys": ", ".join(missing)})
    unknown = sorted(values.keys() - _NEEDED[kind] - _OPTIONAL[kind])
    if unknown:
        known = ", ".join(sorted(_NEEDED[kind] | _OPTIONAL[kind]))
        words = {"keys": ", ".join(unknown)[:200], "kind": kind, "known": known}
        raise Invalid(_("unknown key %(keys)s; %(kind)s have %(known)s.") % words)


def _text(value: object, name: str, longest: int | None = None) -> str:
    if not isinstance(value, str):
        raise Invalid(_("%(name)s: must be a text.") % {"name": name})
    if longest is not None and len(value) > longest:
        raise Invalid(_("%(name)s: at most %(limit)d characters.") % {"name": name, "limit": longest})
    if "\0" in value:
        raise Invalid(_("%(name)s: has a NUL character; remove it.") % {"name": name})
    try:
        value.encode()
    except UnicodeEncodeError as error:
        problem = _("%(name)s: has half a character (a lone surrogate); remove it.")
        raise Invalid(problem % {"name": name}) from error
    return value


def _optional_text(values: dict[str, Any], name: str, longest: int | None = None) -> str:
    return _required_text(values, name, longest) if name in values else ""


def _required_text(values: dict[str, Any], name: str, longest: int | None = None) -> str:
    text = _text(values[name], name, longest)
    if not text.strip():
        raise Invalid(_("%(name)s: is empty.") % {"name": name})
    return text


def _word(values: dict[str, Any], name: str, words: Sequence[str]) -> str:
    if name in values and values[name] not in words:
        raise Invalid(_("%(name)s: use one of %(words)s.") % {"name": name, "words": ", ".join(words)})
    return cast(str, values.get(name, ""))


def _list(value: object, name: str) -> list[object]:
    if not isinstance(value, list):
        raise Invalid(_("%(name)s: must be a list.") % {"name": name})
    return value


def _prompt(values: dict[str, Any]) -> list[Message]:
    messages = [_message(message) for message in _list(values["prompt"], "prompt")]
    if not messages or messages[-1]["role"] != "user":
        raise Invalid(_("prompt: the last message must be the user's."))
    return messages


def _message(value: object) -> Message:
    if not isinstance(value, dict) or value.keys() != {"role", "content"}:
        raise Invalid(_("prompt: each message has a role and a content, nothing else."))
    role, content = _text(value["role"], "role"), _text(value["content"], "content")
    if role not in ("system", "user", "assistant"):
        raise Invalid(_("prompt: a role is system, user or assistant."))
    if not content.strip():
        raise Invalid(_("prompt: a message is empty."))
    return {"role": role, "content": content}


def _completions(values: dict[str, Any]) -> list[tuple[str, str]]:
    completions = [_completion(item) for item in _list(values["completions"], "completions")]
    if not 2 <= len(completions) <= MAX_COMPLETIONS:
        raise Invalid(_("completions: from 2 to 9, not %(count)d.") % {"count": len(completions)})
    return completions


def _completion(value: object) -> tuple[str, str]:
    if not isinstance(value, dict) or value.keys() != {"text", "policy"}:
        raise Invalid(_("completions: each has a text and a policy, nothing else."))
    return _text(value["text"], "text"), _required_text(value, "policy", 200)


def _ranks(values: dict[str, Any], count: int) -> list[int]:
    ranks = [_whole_number(rank, "ranks", count) for rank in _list(values["ranks"], "ranks")]
    if len(ranks) != count or min(ranks) != 1:
        words = {"ranks": len(ranks), "count": count}
        raise Invalid(_("ranks: %(ranks)d for %(count)d completions; one each, the best is 1.") % words)
    return ranks


def _ratings(values: dict[str, Any], count: int) -> list[int]:
    ratings = [_whole_number(rating, "ratings", 7) for rating in _list(values["ratings"], "ratings")]
    if len(ratings) != count:
        raise Invalid(_("ratings: one for each completion, or leave the key out."))
    return ratings


def _whole_number(value: object, name: str, largest: int) -> int:
    if type(value) is not int or not 1 <= value <= largest:
        limits = {"name": name, "largest": largest}
        raise Invalid(_("%(name)s: whole numbers from 1 to %(largest)d.") % limits)
    return value


def _flags(values: dict[str, Any], count: int, known: frozenset[str]) -> list[list[str]]:
    flags = [_flag_names(item, known) for item in _list(values["flags"], "flags")]
    if len(flags) != count:
        raise Invalid(_("flags: one list for each completion, or leave the key out."))
    return flags


def _flag_names(value: object, known: frozenset[str]) -> list[str]:
    names = [_text(name, "flags") for name in _list(value, "flags")]
    unknown = sorted(set(names) - known)
    if unknown:
        words = {"name": unknown[0][:40], "known": ", ".join([*Flag.values, *sorted(known - FLAGS)])}
        raise Invalid(_("flags: unknown name %(name)s; use %(known)s.") % words)
    if len(set(names)) < len(names):
        raise Invalid(_("flags: a name stands twice."))
    return names


def _seconds(values: dict[str, Any]) -> float | None:
    if "seconds" not in values:
        return None
    value = values["seconds"]
    if type(value) not in (int, float) or not 0 <= value <= MAX_SECONDS:
        raise Invalid(_("seconds: a number from 0 to 10,000,000."))
    return float(value)
