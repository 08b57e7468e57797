"""Sentences that workers have stored, in English as programs read them, said in a reader's language."""

import re
from functools import cache

from django.utils.translation import get_language, gettext

# Those with values in them; each is written elsewhere, and the others are found as they are. A value may be
# such a sentence itself.
WITH_VALUES = (
    "The worker stopped in the middle of this run, %(count)d times.",
    "What the run reads is not on this machine: %(error)s",
    "Another process still writes %(folder)s.",
    "Killed by signal %(signal)d. Its last words: %(words)s",
    "Ended with status %(status)d. Its last words: %(words)s",
    "Not promoted: %(accuracy)s, and at least %(least)s is asked for.",
    "Not promoted: KL %(kl)s nats per completion, and at most %(most)s is allowed.",
    "Promoted: %(accuracy)s; KL %(kl)s nats per completion, at most %(most)s allowed.",
    "held-out accuracy %(accuracy)s (95 %% interval %(low)s to %(high)s)",
    "held-out accuracy %(accuracy)s",
    "Asked for by %(name)s",
    "%(new)d of %(wanted)d new comparisons",
    "%(new)d new comparisons",
    "%(hours)s of %(hours_wanted)d hours",
    "%(run)s: %(reason)s",
)
PLACE = re.compile(r"%\((\w+)\)([ds])")
NAMED = {"run": r"[^:]+ \d+"}
"""What a value looks like, where nearly any text would fit."""
BETWEEN = "; "


def in_words(stored: str) -> str:
    """Return a stored text in the reader's language, as far as it is made of sentences that are known."""
    if (get_language() or "en").startswith("en"):
        return stored
    whole = _sentence(stored)
    return whole or BETWEEN.join(_sentence(part) or part for part in stored.split(BETWEEN))


def _sentence(text: str) -> str:
    """Return a sentence translated, an empty text where it is not known."""
    # gettext would answer an empty text with its catalogue's header.
    if text and (said := gettext(text)) != text:
        return said
    for sentence in WITH_VALUES:
        if found := _pattern(sentence).fullmatch(text):
            values = {name: in_words(value) for name, value in found.groupdict().items()}
            return PLACE.sub(r"%(\1)s", gettext(sentence)) % values
    return ""


@cache
def _pattern(sentence: str) -> re.Pattern[str]:
    """Return what finds a sentence and its values."""
    written, parts, end = sentence.replace("%%", "%"), [], 0
    for place in PLACE.finditer(written):
        name, kind = place.groups()
        shape = NAMED.get(name) or (r"-?\d+" if kind == "d" else ".+")
        parts += [re.escape(written[end : place.start()]), f"(?P<{name}>{shape})"]
        end = place.end()
    return re.compile("".join(parts) + re.escape(written[end:]), re.DOTALL)
