"""Markdown of hostile models: nothing in it runs, loads or poses as the page."""

import pytest

from annotate.templatetags.podium import markdown


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
    ):
        assert bad not in html


def test_links_tell_other_hosts_nothing() -> None:
    assert 'rel="noopener noreferrer nofollow"' in markdown("[x](https://example.org)")


def test_raw_html_stays_text_and_a_picture_becomes_a_link() -> None:
    assert markdown("<b>x</b>") == "<p>&lt;b&gt;x&lt;/b&gt;</p>\n"
    assert '!<a href="https://spy.example/p.png"' in markdown("![x](https://spy.example/p.png)")
