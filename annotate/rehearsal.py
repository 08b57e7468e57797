"""What a rehearsal needs that the product does not: made-up prompts, labelers that judge by a rule, figures.

The rule is one the trainer is never told: they prefer shorter completions. The labelers work as people do,
through the website's own pages.
"""

import re
from collections.abc import Sequence
from html.parser import HTMLParser
from itertools import product
from statistics import fmean, stdev
from typing import NamedTuple

import httpx

QUESTIONS = [
    "What is {}?",
    "Tell me about {}.",
    "Give me one piece of advice about {}.",
    "Why do people like {}?",
    "Describe {} to a friend.",
    "How would you begin with {}?",
]
TOPICS = [
    "gardening", "swimming", "baking bread", "chess", "cycling", "painting", "rivers", "bridges", "libraries",
    "the moon", "tea", "trains", "music", "sleep", "winter", "bees", "maps", "photography", "walking", "cheese",
    "islands", "clouds", "kites", "markets",
]  # fmt: skip


class Interval(NamedTuple):
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float


def questions(count: int) -> list[str]:
    """Return this many different prompts; neighbours differ in topic, so any part of the list is varied."""
    pairs = [question.format(topic) for question, topic in product(QUESTIONS, TOPICS)]
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
