"""Word differences of two texts, as marked HTML; pure."""

import re
from difflib import SequenceMatcher
from typing import NamedTuple

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

# A space or line break goes with the word before it. Chinese and Japanese write no spaces: a sign is a word.
_SIGN = r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"
_WORD = re.compile(rf"{_SIGN}\s*|(?:(?!{_SIGN})\w)+\s*|[^\w\s]\s*|\s+")


class Difference(NamedTuple):
    """Two texts as HTML: what only the left has stands in <del>, what only the right has in <ins>."""

    left: SafeString
    right: SafeString


def difference(left: str, right: str) -> Difference:
    """Return both texts with their different words marked."""
    lefts, rights = _WORD.findall(left), _WORD.findall(right)
    bare_left, bare_right = ([word.strip() for word in words] for words in (lefts, rights))
    marked_left, marked_right = [], []
    # Left on, its "autojunk" keeps hostile texts from taking minutes: too common words begin no match.
    for kind, i, j, m, n in SequenceMatcher(None, bare_left, bare_right).get_opcodes():
        is_same = kind == "equal"
        marked_left.append(_marked("del", lefts[i:j], is_same))
        marked_right.append(_marked("ins", rights[m:n], is_same))
    return Difference(mark_safe("".join(marked_left)), mark_safe("".join(marked_right)))  # noqa: S308 - escaped


def share_kept(before: str, after: str) -> float:
    """Return how much of a text's words, 0 to 1, stands in what became of it, in the same order."""
    befores, afters = ([word.strip() for word in _WORD.findall(text)] for text in (before, after))
    matches = SequenceMatcher(None, befores, afters).get_matching_blocks()
    return sum(match.size for match in matches) / max(len(befores), 1)


def _marked(tag: str, words: list[str], is_same: bool) -> str:
    text = escape("".join(words))
    return text if is_same or not words else f"<{tag}>{text}</{tag}>"
