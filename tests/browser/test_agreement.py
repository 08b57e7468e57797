"""The agreement page in a browser: its figures, and its plot drawn from what the page itself says."""

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from annotate.models import Campaign, User
from tests.annotate.test_agreement_page import judged
from tests.browser.conftest import enter

__all__ = ["judged"]  # a fixture

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_researcher_reads_agreement_and_sees_it_over_time(
    page: Page, live_server: LiveServer, judged: Campaign, rosa: User
) -> None:
    enter(page, rosa)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{live_server.url}/campaigns/{judged.pk}/agreement")
    expect(page.locator(".headline")).to_contain_text("83.3%")
    expect(page.locator("[data-told] canvas")).to_be_visible()
    page.get_by_text("The same as a table").click()
    expect(page.get_by_role("region", name="Over time")).to_contain_text("73.1% to 90.2%")
    expect(page.get_by_role("region", name="Labelers with each other")).to_contain_text("lena")
    assert not [url for url in asked if "over-time" in url or "metrics" in url]
