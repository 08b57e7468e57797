"""A real Chromium for the browser tests. A page that logs an error or calls another host fails its test."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core.signals import request_finished, request_started
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from annotate.models import User
from tests.people import PASSWORD, client_of

# Playwright's loop runs in the tests' thread, which Django takes for an async context.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

# Generous, because two cores may be busy with something else; a passing test never waits this long.
PATIENCE = 20_000
expect.set_options(timeout=PATIENCE)
A_MOMENT = 0.1
"""Seconds without a request after which a closed page has none on its way."""

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def find_chromium() -> str | None:
    names = (os.environ.get("PODIUM_CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if name and (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        path = find_chromium() or playwright.chromium.executable_path
        if not Path(path).exists():
            pytest.skip("no Chromium here; tests/browser/install_chromium.sh says how to get one")
        chromium = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def all_answered(live_server: LiveServer) -> Iterator[None]:
    """Leave once the server has answered what a closing page still sent: the tables are emptied next."""
    begun: list[float] = []
    ended: list[float] = []

    def begin(**environ: object) -> None:
        begun.append(time.monotonic())

    def end(**sender: object) -> None:
        ended.append(time.monotonic())

    request_started.connect(begin)
    request_finished.connect(end)
    yield
    now = closed = time.monotonic()
    # A page's last words are a moment on their way, and each may have others behind it.
    while now < closed + PATIENCE / 1000 and (
        len(ended) < len(begun) or now < max(closed, *begun[-1:]) + A_MOMENT
    ):
        time.sleep(0.02)
        now = time.monotonic()
    request_started.disconnect(begin)
    request_finished.disconnect(end)


@pytest.fixture
def context(browser: Browser, live_server: LiveServer, all_answered: None) -> Iterator[BrowserContext]:
    context = browser.new_context(base_url=live_server.url, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, live_server: LiveServer) -> Iterator[Page]:
    complaints: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        # Refusals and a cut network are what tests ask for; the page itself says what they mean.
        is_asked_for = any(reason in message.text for reason in ("403", "409", "422", "DISCONNECTED"))
        if message.type == "error" and not is_asked_for:
            complaints.append(message.text)

    page = context.new_page()
    page.on("console", heard)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request", lambda asked: complaints.append(asked.url) if is_outside(asked.url, live_server) else None
    )
    yield page
    assert not complaints, f"the page complained or called out: {complaints}"


def is_outside(url: str, live_server: LiveServer) -> bool:
    return not url.startswith((live_server.url, "data:", "about:", "blob:"))


def enter(page: Page, user: User) -> None:
    """Bring a session along, which costs no page."""
    key = client_of(user).cookies[settings.SESSION_COOKIE_NAME].value
    cookie = {"name": settings.SESSION_COOKIE_NAME, "value": key, "domain": "localhost", "path": "/"}
    page.context.add_cookies([cookie])


def sign_in(page: Page, user: User) -> None:
    """Sign in as a person does, and land on the home page."""
    page.goto("/sign-in")
    page.get_by_label("Username").fill(user.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="What there is to do").wait_for()
