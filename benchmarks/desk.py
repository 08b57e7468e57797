"""desk-next and desk-submit: what an item at the desk costs the server, with a year's work in the database.

Each is one request, as the page sends it, through the whole application: cookies in, bytes out. What a
labeler waits for is the sum; Label Studio's figure is for the same two steps (its own server, 6 outputs).
"""

from collections.abc import Iterator
from functools import cache
from statistics import median
from typing import NamedTuple

from django.db import connection

from annotate.models import User
from benchmarks import rows
from benchmarks.browser import Browser, Reply
from benchmarks.measuring import Cpu, compared, cpu_of

LABEL_STUDIO_MS = 50
"""Label Studio 1.23.2 on a machine of this kind: 100 ms of CPU for the next item and its submit."""
LIMIT_MS = 4
WARM_UP = 20


class Step(NamedTuple):
    """One request: what it cost, how many queries it made, how long its answer was in bytes."""

    cpu: Cpu
    queries: int
    size: int


class Item(NamedTuple):
    """One item's two requests: the next item is claimed and its page made; the answer is stored."""

    next: Step
    submit: Step


def next_item() -> dict[str, object]:
    return told("next")


def submit() -> dict[str, object]:
    return told("submit")


def told(name: str) -> dict[str, object]:
    small, large = measured(10, 100, 1_000), measured(200, 10_000, 100_000)
    steps = [getattr(item, name) for item in large]
    own = sorted(step.cpu.own for step in steps)
    return compared(median(own), LABEL_STUDIO_MS, "ms of CPU in the web process") | {
        "limit": LIMIT_MS,
        "p95": round(own[len(own) * 95 // 100], 3),
        "database_ms": round(sum(step.cpu.other for step in steps) / len(steps), 3),
        "queries": distinct(step.queries for step in steps),
        "queries_at_1000": distinct(getattr(item, name).queries for item in small),
        "bytes": round(median(step.size for step in steps)),
        "requests": len(steps),
    }


def distinct(counts: Iterator[int]) -> list[int]:
    return sorted(set(counts))


@cache
def measured(items: int, open_prompts: int, rankings: int) -> list[Item]:
    """Return what so many items cost the first labeler of a campaign with so many rows."""
    campaign = rows.fill(f"{rankings} rankings", open_prompts=open_prompts, rankings=rankings)
    browser = Browser(User.objects.get(username=f"{campaign.name}-0"))
    ranking = browser.post(f"/rank/{campaign.pk}").headers["Location"]
    return work(browser, ranking, WARM_UP + items)[WARM_UP:]


def work(browser: Browser, ranking: str, count: int) -> list[Item]:
    """Rank so many items as the page does: the one after is fetched before the answer is sent."""
    items = []
    for number in range(count):
        step, reply = request(browser, f"{ranking}/ahead", {})
        done, _reply = request(browser, f"{ranking}/submit", answer(number))
        items.append(Item(step, done))
        ranking = reply.headers["Content-Location"]
    return items


def request(browser: Browser, path: str, form: dict[str, object]) -> tuple[Step, Reply]:
    queries = 0

    def count(execute, sql, params, many, context):  # type: ignore[no-untyped-def]
        nonlocal queries
        queries += 1
        return execute(sql, params, many, context)

    environ = browser.request(path, form)
    with connection.execute_wrapper(count):
        reply, cpu = cpu_of(lambda: browser.send(environ), backend_pid())
    assert reply.status == 200, f"{path} answered {reply.status}"
    return Step(cpu, queries, len(reply.body)), reply


def backend_pid() -> int:
    """Return the process of PostgreSQL that serves this one's connection."""
    connection.ensure_connection()
    return connection.connection.info.backend_pid


def answer(number: int) -> dict[str, object]:
    """Return a form as the page sends it: ranks with ties, ratings, a few flags and notes."""
    form: dict[str, object] = {"notes": "", "seconds": "93"}
    for place, letter in enumerate("ABCDEFGHI"):
        form[f"rank-{letter}"] = str(1 + (place * 5 + number) % 9 // 2)
        form[f"rating-{letter}"] = str(7 - place // 2)
        form[f"notes-{letter}"] = "It repeats itself in the second half." if place == 4 else ""
    return form | {"flags-C": ["hallucination", "opinion"], "flags-F": ["fails_instruction"]}
