"""Filters: Markdown and mathematics made safe, because model output is hostile; what is stored, in words."""

import re
from html import unescape

import nh3
from comrak import ExtensionOptions, ParseOptions, RenderOptions, render_markdown
from django import template
from django.utils.safestring import SafeString, mark_safe

from annotate.asked import words_of
from annotate.formulas import mathml
from annotate.stored_words import in_words

register = template.Library()

# In a text with more formulas than this they all stay as typed: it would keep the server busy.
MOST_FORMULAS = 200

TAGS = {"p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "strong", "em", "del", "a", "code", "pre"}
TAGS |= {"blockquote", "ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td"}
TAGS |= {"math", "mrow", "mstyle", "mpadded", "mphantom", "menclose", "mi", "mn", "mo", "mtext", "mspace"}
TAGS |= {"mfrac", "msqrt", "mroot", "msub", "msup", "msubsup", "munder", "mover", "munderover"}
TAGS |= {"mmultiscripts", "mprescripts", "mtable", "mtr", "mtd"}
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}, "code": {"class"}, "math": {"display"}}
ATTRIBUTES |= {"mi": {"mathvariant"}, "mo": {"stretchy", "fence", "form"}, "mstyle": {"displaystyle"}}

_FORMULA = re.compile(r'<span data-math-style="(inline|display)">(.*?)</span>', re.DOTALL)
_PICTURE = re.compile(r'<img src="([^"]*)" alt="([^"]*)"[^>]*>')


def _extensions() -> ExtensionOptions:
    options = ExtensionOptions()
    options.table = options.strikethrough = options.math_dollars = options.math_latex = True
    return options


def _rendering() -> RenderOptions:
    options = RenderOptions()
    options.escape = options.hardbreaks = True  # raw HTML stays text
    return options


_EXTENSIONS, _PARSING, _RENDERING = _extensions(), ParseOptions(), _rendering()
_cleaner = nh3.Cleaner(
    tags=TAGS,
    attributes=ATTRIBUTES,
    tag_attribute_values={"mfrac": {"linethickness": {"0"}}},
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
    link_rel="noopener noreferrer nofollow",
)


@register.filter
def markdown(text: str) -> SafeString:
    """Return Markdown as HTML in which nothing can run, load or pose as the page."""
    html = render_markdown(text, _EXTENSIONS, _PARSING, _RENDERING)
    # Raw HTML is escaped by now, so that these tags are the renderer's own.
    if "<img" in html:
        html = _PICTURE.sub(_picture_as_link, html)
    if formulas := html.count("<span"):
        html = _FORMULA.sub(_formula if formulas <= MOST_FORMULAS else _as_typed, html)
    return mark_safe(_cleaner.clean(html))  # noqa: S308 - clean as of now


def _picture_as_link(match: re.Match[str]) -> str:
    """A picture on another host would tell it who reads."""
    address, words = match.groups()
    return f'<a href="{address}">{words or address}</a>'


def _formula(match: re.Match[str]) -> str:
    display = "block" if match[1] == "display" else "inline"
    return mathml(unescape(match[2]), display) or _as_typed(match)


def _as_typed(match: re.Match[str]) -> str:
    fence = "$$" if match[1] == "display" else "$"
    return fence + match[2] + fence


@register.filter
def stored(text: str) -> str:
    """Return a sentence that a worker has stored, in the reader's language."""
    return in_words(text)


@register.filter
def flag_words(flag: str) -> str:
    """Return a yes/no question about an output as people read it."""
    return words_of(flag)
