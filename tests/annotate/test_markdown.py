"""Markdown and formulas of hostile models: nothing in them runs, loads or poses as the page."""

import time

import pytest

from annotate.formulas import LONGEST
from annotate.templatetags.podium import MOST_FORMULAS, markdown


def test_it_renders_what_people_write() -> None:
    html = markdown("**bold**\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```python\nx < 1\n```")
    for piece in (
        "<strong>bold</strong>",
        "<li>two</li>",
        "<td>2</td>",
        '<code class="language-python">x &lt; 1',
    ):
        assert piece in html


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "![x](https://spy.example/pixel.png)",
        "[x](javascript:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "<style>body{display:none}</style>",
        "<form action=https://spy.example><input></form>",
        "<a href='vbscript:x' onclick=alert(1)>x</a>",
        "[x](<java\tscript:alert(1)>)",
        r"$\href{javascript:alert(1)}{x}$",
        r"$\text{</math><script>alert(1)</script><img src=x>}$",
        r"$$</math><a onclick=alert(1)><style>$$",
        r"\(\style{background:url(https://spy.example)}{x}\)",
    ],
)
def test_it_lets_nothing_hostile_through(hostile: str) -> None:
    html = markdown(hostile)
    for bad in (
        "<script",
        "<img",
        "<style",
        "<form",
        "<input",
        'href="javascript',
        'href="data:',
        "<a href='",
        "<a on",
        "style=",
        "href=x",
    ):
        assert bad not in html


def test_links_tell_other_hosts_nothing() -> None:
    assert 'rel="noopener noreferrer nofollow"' in markdown("[x](https://example.org)")


def test_a_link_without_a_host_leads_nowhere() -> None:
    assert "href" not in markdown("[x](/sign-out) [y](//spy.example)")


def test_raw_html_stays_text_and_a_picture_becomes_a_link() -> None:
    assert markdown("<b>x</b>") == "<p>&lt;b&gt;x&lt;/b&gt;</p>\n"
    assert '<a href="https://spy.example/p.png"' in markdown("![x](https://spy.example/p.png)")


@pytest.mark.parametrize(
    ("text", "display"),
    [("$x^2$", "inline"), (r"\(x^2\)", "inline"), ("$$x^2$$", "block"), (r"\[x^2\]", "block")],
)
def test_a_formula_becomes_mathml(text: str, display: str) -> None:
    formula = "<mrow><msup><mi>x</mi><mn>2</mn></msup></mrow>"
    assert markdown(text) == f'<p><math display="{display}">{formula}</math></p>\n'


@pytest.mark.parametrize(
    "text", [r"$\frac{$", "$a_$", r"$\left($", "$x$" * 40_000, "$" * 100_000, f"${'{' * 900}$"]
)
def test_what_is_no_formula_stays_as_typed(text: str) -> None:
    began = time.process_time()
    assert markdown(text) == f"<p>{text}</p>\n"
    assert time.process_time() - began < 1


def test_dollars_and_code_are_no_formulas() -> None:
    for text in ("from $5 to $10", "`$x$`", r"\$x\$"):
        assert "<math" not in markdown(text)


def test_long_and_many_formulas_are_not_tried() -> None:
    assert "<math" not in markdown(f"${'x' * (LONGEST + 1)}$")
    assert markdown("$x$ " * MOST_FORMULAS).count("<math") == MOST_FORMULAS
    assert "<math" not in markdown("$x$ " * (MOST_FORMULAS + 1))


def test_text_and_signs_in_a_formula_come_out_once() -> None:
    assert "<mo>+</mo>" in markdown("$a+b$")
    assert "<mtext>a&lt;b</mtext>" in markdown(r"$\text{a<b}$")
