"""What a rehearsal needs that the product does not: made-up prompts, labelers that judge by a rule, figures.

The rule is one the trainer is never told: they prefer shorter completions. The labelers work as people do,
through the website's own pages.
"""

import random
import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from itertools import product
from statistics import fmean, stdev
from typing import NamedTuple

import httpx

# Asked so that an answer may be short: only one that ends by itself shows how long it would have been.
QUESTIONS = [
    "In one short sentence, what is {}?",
    "Name one thing that goes well with {}.",
    "In a few words, why do people like {}?",
    "Give one word that describes {}.",
    "Yes or no: is {} good for people?",
    "Which colour fits {} best?",
]
TOPICS = [
    "gardening", "swimming", "baking bread", "chess", "cycling", "painting", "rivers", "bridges",
    "libraries", "the moon", "tea", "trains", "music", "sleep", "winter", "bees", "maps",
    "photography", "walking", "cheese", "islands", "clouds", "kites", "markets",
]  # fmt: skip


class Interval(NamedTuple):
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float


def questions(count: int) -> list[str]:
    """Return this many different prompts, always the same and well mixed, so any part of them is varied."""
    pairs = [question.format(topic) for question, topic in product(QUESTIONS, TOPICS)]
    random.Random(0).shuffle(pairs)
    assert count <= len(pairs), f"at most {len(pairs)} prompts can be made"
    return pairs[:count]


def rule(text: str) -> float:
    """Return what the labelers look at: the length in words. Less is better."""
    return float(len(text.split()))


def ranks_by_rule(texts: Sequence[str]) -> list[int]:
    """Return each text's rank, 1 for the shortest; equal lengths tie."""
    lengths = sorted({rule(text) for text in texts})
    return [lengths.index(rule(text)) + 1 for text in texts]


def mean_with_interval(values: Sequence[float]) -> Interval:
    """Return the mean and its 95 % interval by the normal approximation."""
    mean = fmean(values)
    half = 1.96 * stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("inf")
    return Interval(mean, mean - half, mean + half)


class Labeler:
    """A simulated labeler: signs in and ranks through the website's pages, as a browser would."""

    def __init__(self, url: str, username: str, password: str) -> None:
        self.http = httpx.Client(base_url=url, follow_redirects=True, timeout=60)
        page = self.http.get("/sign-in")
        fields = {"csrfmiddlewaretoken": token_in(page.text), "username": username, "password": password}
        answer = self.http.post("/sign-in", data=fields)
        assert answer.status_code == 200 and "/sign-in" not in str(answer.url), (
            f"{username} could not sign in"
        )

    def rank_all(self, campaign_id: int) -> Iterator[list[int]]:
        """Rank whatever the campaign hands out until nothing is left; yield each ranking's ranks."""
        page = self.post(f"/rank/{campaign_id}", {})
        while "/rankings/" in str(page.url):
            outputs = Outputs.of(page.text)
            ranks = ranks_by_rule(list(outputs.values()))
            answer = judged(list(outputs), ranks)
            page = self.post(f"{page.url.path}/submit", {**answer, "seconds": "1"})
            yield ranks

    def post(self, path: str, fields: dict[str, str]) -> httpx.Response:
        fields = {"csrfmiddlewaretoken": self.http.cookies["csrftoken"], **fields}
        answer = self.http.post(path, data=fields)
        assert answer.status_code == 200, f"{path} answered {answer.status_code}: {answer.text[:500]}"
        return answer


def judged(letters: Sequence[str], ranks: Sequence[int]) -> dict[str, str]:
    """Return the fields of the ranking form: each output's rank, and a rating that agrees with it."""
    answer: dict[str, str] = {}
    for letter, rank in zip(letters, ranks, strict=True):
        answer |= {f"rank-{letter}": str(rank), f"rating-{letter}": str(max(1, 8 - rank))}
    return answer


def token_in(html: str) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', html)
    assert found, "the page carries no CSRF token"
    return found[1]


class Outputs(HTMLParser):
    """Reads the regions named Output A, Output B, ... of a ranking page: letter to shown text."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: dict[str, str] = {}
        self.letter = ""
        self.depth = 0

    @classmethod
    def of(cls, html: str) -> dict[str, str]:
        parser = cls()
        parser.feed(html)
        return parser.texts

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        label = named.get("aria-label") or ""
        if tag == "section" and label.startswith("Output "):
            self.letter = label.removeprefix("Output ")
            self.texts[self.letter] = ""
        elif tag == "div" and self.letter and (self.depth or "prose" in (named.get("class") or "").split()):
            self.depth += 1

    def handle_endtag(self, tag: str) -> None:
        if tag == "div" and self.depth:
            self.depth -= 1
        if tag == "section":
            self.letter, self.depth = "", 0

    def handle_data(self, data: str) -> None:
        if self.letter and self.depth:
            self.texts[self.letter] += data
