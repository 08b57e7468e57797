"""Simplified Chinese: every text of the pages has its translation, and a browser that asks for it gets it."""

import re
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.pofile import read_po
from django.conf import settings
from django.utils.translation import override, templatize

from annotate.configs import descriptions
from annotate.models import Campaign, User
from annotate.models.audit import WORDS
from annotate.stored_words import WITH_VALUES, in_words
from tests.people import client_of

# What xgettext looks for when makemessages calls it, beyond Babel's own list.
KEYWORDS = DEFAULT_KEYWORDS | {
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext_lazy": (1, 2),
    "pgettext_lazy": ((1, "c"), 2),
}
PLACEHOLDER = re.compile(r"%\(\w+\)[-+0-9.]*[a-z]|%%|%[a-z]|\{\w+\}|</?\w+")
HOW = "`manage.py makemessages` adds them to annotate/locale/zh_Hans/LC_MESSAGES/django.po"


@cache
def translations() -> Catalog:
    path = Path(settings.LOCALE_PATHS[0]) / "zh_Hans" / "LC_MESSAGES" / "django.po"
    with path.open("rb") as file:
        return read_po(file)


def sources() -> Iterator[str]:
    """Yield every source as Python: the code as it is, a template as Django reads it for makemessages."""
    for path in sorted((settings.BASE_DIR / "annotate").rglob("*.py")):
        yield path.read_text(encoding="utf-8")
    for path in sorted((settings.BASE_DIR / "templates").rglob("*.html")):
        code = templatize(path.read_text(encoding="utf-8"), origin=path.name)
        # Babel reads Python tokens, for which a template's indentation would have a meaning.
        yield "\n".join(line.strip() for line in code.splitlines())


def texts() -> set[tuple[str | None, str]]:
    """Return (context, msgid) of all that the pages, the code and the stages' settings say."""
    found: set[tuple[str | None, str]] = {(None, text) for text in descriptions()}
    for source in sources():
        for _line, said, _comments, context in extract("python", BytesIO(source.encode()), KEYWORDS):
            found.add((context, said if isinstance(said, str) else said[0]))
    return found


def both(message: Message) -> tuple[list[str], list[str]]:
    """Return a message's msgids and its translations, each as a list."""
    msgids = [message.id] if isinstance(message.id, str) else list(message.id)
    return msgids, [message.string] if isinstance(message.string, str) else list(message.string)


def test_every_text_has_a_translation() -> None:
    known = {(message.context, both(message)[0][0]) for message in translations() if all(both(message)[1])}
    missing = sorted(msgid for context, msgid in texts() if (context, msgid) not in known)
    assert len(texts()) > 400, "the extraction reads the templates and the code"
    assert not missing, f"{len(missing)} texts lack a translation; {HOW}:\n" + "\n".join(missing)


def test_every_translation_keeps_its_placeholders() -> None:
    wrong = []
    for message in translations():
        msgids, strings = both(message)
        # The plural is the fuller form: Chinese has one for both, and "1 prompt" may not name the number.
        wanted = sorted(PLACEHOLDER.findall(msgids[-1]))
        wrong += [text for text in strings if message.id and sorted(PLACEHOLDER.findall(text)) != wanted]
    assert not wrong, f"placeholders or tags differ from the English: {wrong}"


def test_no_translation_is_a_guess() -> None:
    guessed = [message.id for message in translations() if message.id and message.fuzzy]
    assert not guessed, f"check these and remove their 'fuzzy': {guessed}"


def test_no_translation_outlives_its_text() -> None:
    left = {both(message)[0][0] for message in translations() if message.id}
    left -= {msgid for _context, msgid in texts()}
    assert not left, f"nothing says this any more: {left}"


def test_everything_that_is_recorded_has_words() -> None:
    code = "".join(
        path.read_text(encoding="utf-8") for path in (settings.BASE_DIR / "annotate").rglob("*.py")
    )
    recorded = set(re.findall(r'\brecord\(\s*[\w.]+,\s*"([^"]+)"', code))
    assert len(recorded) > 10, "the pattern finds the calls"
    assert recorded <= WORDS.keys(), "annotate/models/audit.py lacks words for these"


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ("The run of this round is gone.", "本轮的运行已不存在。"),
        ("Another process still writes /a/b.", "另一个进程仍在写入 /a/b。"),
        ("3 of 9 new comparisons; Asked for by ada", "新比较 3 / 9; 由 ada 发起"),
        ("Reward model 7: Another process still writes b.", "Reward model 7：另一个进程仍在写入 b。"),
        (
            "Promoted: held-out accuracy 70.0%; KL 1.00 nats per completion, at most 9 allowed.",
            "已启用：留出集准确率 70.0%；KL 为每个回答 1.00 nat，最多允许 9。",
        ),
        ("RuntimeError: no such thing; not at all", "RuntimeError: no such thing; not at all"),
    ],
)
def test_what_a_worker_stored_is_said_in_the_readers_language(stored: str, said: str) -> None:
    assert in_words(stored) == stored
    with override("zh-hans"):
        assert in_words(stored) == said


def test_the_sentences_with_values_are_the_ones_that_are_stored() -> None:
    code = "".join(source for source in sources() if "WITH_VALUES" not in source)
    assert [sentence for sentence in WITH_VALUES if f'_("{sentence}")' not in code] == []


def test_a_browser_that_asks_for_chinese_gets_it(lena: User) -> None:
    page = client_of(lena).get("/", headers={"accept-language": "zh-hans"}).content.decode()
    assert '<html lang="zh-hans"' in page
    assert "待办事项" in page and "What there is to do" not in page


def test_a_setting_is_explained_in_chinese(rosa: User, campaign: Campaign) -> None:
    url = f"/campaigns/{campaign.pk}/runs/start/ppo"
    page = client_of(rosa).get(url, headers={"accept-language": "zh-hans"}).text
    assert "rollout 的采样温度（C.4）。（大于 0、最多 10）" in page
