"""desk-bytes: what the ranking page sends over the wire to a real browser, the first time and from then on.

Chromium counts, headers included, from the website as `make run` serves it. K = 9, outputs of 150 words.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from playwright.sync_api import BrowserContext, Page, sync_playwright

from annotate import processes
from annotate.actions import rankings
from annotate.models import Campaign, User
from benchmarks import rows
from benchmarks.browser import session_of
from benchmarks.measuring import compared
from tests.browser.conftest import ARGUMENTS, find_chromium
from tests.workers import database_url

LABEL_STUDIO_KB = 8_150
"""Label Studio 1.23.2's labeling page on a first visit (6 outputs of about 150 words)."""
FIRST_LIMIT_KB, LATER_LIMIT_KB = 100, 20
HOST = "127.0.0.1"
ANSWER = """() => {
    for (const letter of "ABCDEFGHI") {
        document.querySelector(`[name=rating-${letter}][value="4"]`).checked = true;
        document.querySelector(`[name=rank-${letter}]`).value = "1";
    }
    document.querySelector("form[data-answer]").requestSubmit();
}"""


class Wire:
    """Counts the bytes that a page receives."""

    def __init__(self, page: Page) -> None:
        self.received = 0.0
        session = page.context.new_cdp_session(page)
        session.on("Network.loadingFinished", self.add)
        session.send("Network.enable")

    def add(self, event: dict[str, float]) -> None:
        self.received += event["encodedDataLength"]

    def kilobytes(self) -> float:
        """Return what came since the last time this was asked."""
        received, self.received = self.received, 0.0
        return round(received / 1000, 1)


def visits() -> dict[str, object]:
    campaign = rows.make_campaign("bytes", labelers=1, labelers_per_prompt=1)
    rows.write_prompts(campaign, 10, "open")
    rows.write_completions(campaign)
    labeler = campaign.labelers.get()
    with website() as address, chromium(address, labeler) as context:
        first, following, again = visit(context, campaign, labeler)
    return compared(first, LABEL_STUDIO_KB, "KB on a first visit") | {
        "limit": FIRST_LIMIT_KB,
        "next_item_kb": following,
        "same_page_again_kb": again,
        "later_limit": LATER_LIMIT_KB,
    }


def visit(context: BrowserContext, campaign: Campaign, labeler: User) -> tuple[float, float, float]:
    """Open an item, answer it, and open the one that came after anew; return the KB of each."""
    ranking = rankings.claim_next(campaign, labeler)
    assert ranking is not None, "the campaign has prompts to rank"
    page = context.new_page()
    wire = Wire(page)
    page.goto(f"/rankings/{ranking.pk}", wait_until="networkidle")
    first = wire.kilobytes()
    page.evaluate(ANSWER)
    page.wait_for_url(lambda url: not url.endswith(f"/{ranking.pk}"))
    page.wait_for_load_state("networkidle")
    # The swap is no navigation, so what it fetched ahead may still be on its way.
    page.wait_for_timeout(2000)
    following = wire.kilobytes()
    page.goto(page.url, wait_until="networkidle")
    return first, following, wire.kilobytes()


@contextmanager
def website() -> Iterator[str]:
    port = processes.free_port(HOST)
    with processes.running({"web": processes.web(HOST, port)}, DATABASE_URL=database_url()):
        processes.wait_for_page(f"http://{HOST}:{port}/health")
        yield f"http://{HOST}:{port}"


@contextmanager
def chromium(address: str, user: User) -> Iterator[BrowserContext]:
    """Give a browser with an empty cache, in which this person is signed in."""
    session = session_of(user)
    with sync_playwright() as playwright:
        path = find_chromium() or playwright.chromium.executable_path
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        context = browser.new_context(base_url=address)
        context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": address}])
        yield context
        browser.close()
