"""Every page for everyone: axe-core finds nothing, all fits a phone, and the focus can be seen.

Each test goes over its pages in one browser and names all faults at once.
"""

from collections.abc import Callable, Iterable

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from playwright.sync_api import BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from annotate.models import (
    Campaign,
    Checkpoint,
    Demonstration,
    Dialogue,
    Promotion,
    Prompt,
    Ranking,
    Run,
    Snapshot,
    User,
)
from tests.browser import world
from tests.browser.conftest import enter
from tests.people import PASSWORD
from tests.rows import promoted_policy

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

Screen = tuple[str, Callable[[Page], object] | None]
"""A page's path, and what is opened on it, if anything."""

LOOKS = [("light", 360), ("dark", 1440)]
"""Themes with widths: each theme has its contrasts, each width its layout."""
WCAG = {
    "resultTypes": ["violations"],
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"],
}
# Of a modal's neighbours nothing takes the focus, and the browser itself draws a text field's caret.
WITHOUT_RING = """() =>
  [...document.querySelectorAll("a, button, input, select, textarea, summary, [tabindex]")]
  .filter((one) => {
    one.focus();
    if (one.tabIndex < 0 || document.activeElement !== one) return false;
    const rings = [one, one.closest("label") || one].map((each) => getComputedStyle(each));
    return rings.every((ring) => ring.outlineStyle === "none" || parseFloat(ring.outlineWidth) < 2);
  }).map((one) => one.outerHTML.slice(0, 100))"""
INLINE = """(html) => [...new DOMParser().parseFromString(html, "text/html")
  .querySelectorAll("script:not([src], [type='application/json']), style, [style]," +
    "[onclick], [onload], [onchange], [onsubmit]")]
  .map((one) => "inline: " + one.outerHTML.slice(0, 100))"""
# Which side of its block the last line of a text begins at; chips have room for no line of their own.
SIDES = """(text) => {
  const walk = document.createTreeWalker(document.querySelector("dialog[open], main"), NodeFilter.SHOW_TEXT);
  const sides = [];
  while (walk.nextNode()) {
    const block = walk.currentNode.parentElement.closest("p, li, div, textarea, .chip");
    const at = walk.currentNode.data.indexOf(text);
    if (at < 0 || block.matches("textarea, .chip") || !block.checkVisibility()) continue;
    const range = document.createRange();
    range.setStart(walk.currentNode, at);
    range.setEnd(walk.currentNode, at + text.length);
    const line = [...range.getClientRects()].at(-1), box = block.getBoundingClientRect();
    sides.push(box.right - line.right < line.left - box.left ? "right" : "left");
  }
  return sides;
}"""


@pytest.fixture
def filled(campaign: Campaign, lena: User, lars: User) -> Campaign:
    world.fill(campaign, lena, lars)
    return campaign


def unfold(page: Page) -> None:
    page.evaluate("document.querySelectorAll('main details').forEach((one) => { one.open = true; })")


def press(name: str) -> Callable[[Page], None]:
    return lambda page: page.get_by_role("button", name=name, exact=True).first.click()


def compare_two(page: Page) -> None:
    press("Compare two")(page)
    page.locator("#comparison .compared").wait_for()


def open_sheet(page: Page) -> None:
    if page.viewport_size == {"width": 360, "height": 740}:
        press("Rank")(page)


def open_menu(page: Page) -> None:
    page.locator(".menu > summary").click()


def see_plots(page: Page) -> None:
    page.locator(".plots canvas").first.wait_for()
    unfold(page)


def labelers_screens(campaign: Campaign) -> list[Screen]:
    own = Prompt.objects.filter(author__username="lena", sampling="sampled").latest("pk")
    begun, answered = (
        Ranking.objects.filter(labeler__username="lena", state=s).latest("pk")
        for s in ("claimed", "submitted")
    )
    demonstration = Demonstration.objects.get(state="claimed")
    return [
        ("/", None),
        ("/", open_menu),
        ("/prompts", None),
        (f"/prompts/{own.pk}", None),
        (f"/write/{campaign.pk}", unfold),
        (f"/write/{campaign.pk}?kind=use_case", None),
        (f"/write/{campaign.pk}/few-shot", None),
        (f"/write/{campaign.pk}/dialogues", None),
        *[(f"/dialogues/{dialogue.pk}", unfold) for dialogue in Dialogue.objects.all()],
        (f"/demonstrations/{demonstration.pk}", unfold),
        (f"/rankings/{begun.pk}", open_sheet),
        (f"/rankings/{begun.pk}", unfold),
        (f"/rankings/{begun.pk}", press("Keys")),
        (f"/rankings/{begun.pk}", compare_two),
        (f"/rankings/{answered.pk}", unfold),
        ("/account", None),
    ]


def researchers_screens(campaign: Campaign) -> list[Screen]:
    tabs = ["settings", "instructions", "members", "prompts", "runs", "checkpoints", "retraining", "data"]
    stages = ["sft", "reward", "ppo", "evaluate"]
    return [
        ("/", None),
        ("/campaigns", None),
        ("/campaigns/new", None),
        (f"/campaigns/{campaign.pk}", see_plots),
        *[(f"/campaigns/{campaign.pk}/{tab}", unfold) for tab in tabs],
        *[(f"/campaigns/{campaign.pk}/{page}", unfold) for page in ("agreement", "tables", "intake")],
        *[(f"/campaigns/{campaign.pk}/runs/start/{stage}", unfold) for stage in stages],
        ("/runs", None),
        *[(f"/runs/{run.pk}", see_plots if run.state == "running" else unfold) for run in Run.objects.all()],
        ("/checkpoints", None),
        *[(f"/checkpoints/{checkpoint.pk}", unfold) for checkpoint in Checkpoint.objects.all()],
        (f"/snapshots/{Snapshot.objects.get().pk}", unfold),
    ]


def admins_screens() -> list[Screen]:
    lars = User.objects.get(username="lars")
    return [("/people", unfold), ("/people/new", None), (f"/people/{lars.pk}", unfold)]


def look_at(page: Page, screens: Iterable[Screen], look: tuple[str, int]) -> list[str]:
    """Return the faults of these screens in one theme at one width."""
    theme, width = look
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": 740})
    faults = []
    for path, opened in screens:
        inline = page.evaluate(INLINE, page.goto(path).text())
        expect(page.locator(".htmx-request")).to_have_count(0)
        if opened:
            opened(page)
        named = f"{path} {getattr(opened, '__name__', '')} {theme} {width}"
        faults += [f"{named}: {fault}" for fault in [*inline, *faults_of(page)]]
    page.goto("about:blank")
    return faults


def faults_of(page: Page) -> list[str]:
    found = Axe().run(page, options=WCAG).response["violations"]
    faults = [
        f"{each['id']} at {node['target']}: {node['failureSummary']}"
        for each in found
        for node in each["nodes"]
    ]
    overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    if overflow > 0:
        faults.append(f"{overflow} px wider than the window")
    page.keyboard.press("Tab")
    return faults + [f"no focus ring: {each}" for each in page.evaluate(WITHOUT_RING)]


@pytest.mark.parametrize("look", LOOKS, ids=["light-360", "dark-1440"])
def test_the_labelers_pages_have_no_fault(
    page: Page, filled: Campaign, lena: User, live_server: LiveServer, look: tuple[str, int]
) -> None:
    enter(page, lena)
    faults = look_at(page, labelers_screens(filled), look)
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("look", LOOKS, ids=["light-360", "dark-1440"])
def test_the_researchers_and_admins_pages_have_no_fault(
    page: Page, filled: Campaign, ada: User, live_server: LiveServer, look: tuple[str, int]
) -> None:
    enter(page, ada)
    faults = look_at(page, [*researchers_screens(filled), *admins_screens()], look)
    assert not faults, "\n".join(faults)


def ask_without_token(page: Page) -> None:
    page.get_by_label("Username").fill("lena")
    page.get_by_label("Password").fill(PASSWORD)
    page.context.clear_cookies()
    press("Sign in")(page)
    page.get_by_role("heading", name="That was not allowed").wait_for()


def chat_without_policy(page: Page) -> None:
    Promotion.objects.all().delete()
    press("Begin a chat")(page)
    page.get_by_role("heading", name="Not done").wait_for()


@pytest.mark.parametrize("look", LOOKS, ids=["light-360", "dark-1440"])
def test_signing_in_and_refusals_have_no_fault(
    context: BrowserContext, campaign: Campaign, lena: User, live_server: LiveServer, look: tuple[str, int]
) -> None:
    # Not the usual page, on which a 404 is an error.
    page = context.new_page()
    faults = look_at(page, [("/sign-in", None), ("/sign-in", ask_without_token)], look)
    enter(page, lena)
    promoted_policy(campaign)
    chat = (f"/write/{campaign.pk}/dialogues", chat_without_policy)
    faults += look_at(page, [("/nothing-here", None), ("/", None), ("/prompts", None), chat], look)
    assert not faults, "\n".join(faults)


def test_chinese_pages_say_so_and_fit_a_phone(
    page: Page, filled: Campaign, lena: User, ada: User, live_server: LiveServer
) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    chosen = {"name": settings.LANGUAGE_COOKIE_NAME, "value": "zh-hans", "url": live_server.url}
    page.context.add_cookies([chosen])
    for user, screens in ((lena, labelers_screens(filled)), (ada, researchers_screens(filled))):
        enter(page, user)
        for path in {path: None for path, _opened in screens}:
            page.goto(path)
            assert page.locator("html").get_attribute("lang") == "zh-hans", f"{path} says another language"
            assert page.evaluate("document.documentElement.scrollWidth") == 360, f"{path} is too wide"
    page.goto("about:blank")


def test_right_to_left_text_runs_from_the_right_on_the_desk(
    page: Page, filled: Campaign, lena: User, live_server: LiveServer
) -> None:
    enter(page, lena)
    page.set_viewport_size({"width": 1920, "height": 900})
    ranking = Ranking.objects.get(state="claimed")
    page.goto(f"/rankings/{ranking.pk}")
    assert page.evaluate(SIDES, world.ARABIC) == ["right"] * 3, "in the prompt and in two outputs"
    assert page.evaluate(SIDES, world.HEBREW) == ["right"] * 2
    assert page.evaluate(SIDES, "in two more languages:") == ["left"]
    chip = page.locator(".chip > span", has_text=world.HEBREW[:20])
    assert chip.first.evaluate("(words) => getComputedStyle(words).direction") == "rtl"
    compare_two(page)
    letters = {
        row.completion.text: row.letter for row in ranking.ranked_completions.select_related("completion")
    }
    page.get_by_label("Left").select_option(letters[world.MIXED])
    page.get_by_label("Right").select_option(letters[world.HEBREW])
    chosen = [f"Output {letters[text]}" for text in (world.MIXED, world.HEBREW)]
    expect(page.locator("#comparison h3")).to_have_text(chosen)
    # The marks of differences cut its line into several.
    assert set(page.evaluate(SIDES, world.HEBREW.split()[0])) == {"right"}
    assert set(page.evaluate(SIDES, "languages")) == {"left"}
    page.goto("about:blank")


def test_right_to_left_text_runs_from_the_right_where_it_is_written(
    page: Page, filled: Campaign, lena: User, live_server: LiveServer
) -> None:
    enter(page, lena)
    page.goto(f"/demonstrations/{Demonstration.objects.get(state='claimed').pk}")
    assert page.evaluate(SIDES, world.ARABIC) == ["right"] * 2, "in the prompt and in the suggestion"
    area = page.get_by_label("Your completion")
    assert area.evaluate("(area) => getComputedStyle(area).direction") == "rtl"
    both, chat = (Dialogue.objects.get(mode=mode, state="open") for mode in ("both_sides", "chat"))
    page.goto(f"/dialogues/{both.pk}")
    assert page.evaluate(SIDES, world.HEBREW) == ["right"]
    page.goto(f"/dialogues/{chat.pk}")
    assert page.evaluate(SIDES, world.ARABIC) == ["right"] * 2
    assert page.evaluate(SIDES, "in two more languages:") == ["left"]
    page.goto("about:blank")
