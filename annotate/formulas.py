"""Formulas: LaTeX to MathML, with nothing but text and tags left of what a hostile model may write."""

from functools import lru_cache
from html import unescape
from xml.etree.ElementTree import tostring

from latex2mathml import exceptions
from latex2mathml.converter import convert_to_element

# Beyond this a formula is more likely an attack than mathematics, and costs the server as much.
LONGEST = 1000

# latex2mathml has no common error, and lets a few of Python's own through.
_NOT_LATEX: tuple[type[Exception], ...] = (
    *(
        error
        for error in vars(exceptions).values()
        if isinstance(error, type) and issubclass(error, Exception)
    ),
    StopIteration,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    RecursionError,
)


@lru_cache(maxsize=2000)
def mathml(latex: str, display: str) -> str | None:
    """Return a formula as MathML, None if it is no LaTeX; `display` is "inline" or "block".

    The same outputs are shown to every labeler of a prompt, so that the cache spares most conversions.
    """
    if len(latex) > LONGEST:
        return None
    try:
        math = convert_to_element(latex, display=display)
    except _NOT_LATEX:
        return None
    for element in math.iter():
        # It writes its symbols as entities, which tostring must not escape again, but passes \text as it is.
        element.text = unescape(element.text) if element.text else None
    return tostring(math, encoding="unicode")
