"""The ranking screen in a real browser: keys, mouse and touch, long texts, and what the live line says."""

import random

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from pytest_django.live_server_helper import LiveServer

from annotate.actions import rankings
from annotate.models import Campaign, Completion, Ranking, Sampling, User
from tests.browser.board import drag, touch_drag
from tests.browser.conftest import enter
from tests.rows import make_policy, make_prompt

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

TEXT = "the river bends around an old mill where people ground wheat while children swam"


@pytest.fixture
def ranking(campaign: Campaign, lena: User) -> Ranking:
    """Nine outputs of 150 words, claimed by lena."""
    campaign.k = 9
    campaign.save()
    prompt = make_prompt(campaign, "How does a mill work?", sampling=Sampling.SAMPLED)
    policy = make_policy(campaign)
    for place in range(9):
        text = f"**Answer** {place} " + " ".join(random.choices(TEXT.split(), k=148))
        Completion.objects.create(prompt=prompt, policy=policy, place=place, text=text)
    claimed = rankings.claim_prompt(prompt, lena)
    assert claimed is not None
    return claimed


@pytest.fixture
def desk(page: Page, ranking: Ranking, lena: User) -> Page:
    # Drafts are another file's subject, and one on its way would meet the emptying of the database.
    page.route("**/draft", lambda route: route.fulfill(status=204))
    enter(page, lena)
    page.goto(f"/rankings/{ranking.pk}")
    return page


def press(page: Page, keys: str) -> int:
    """Press keys one after the other, and return how many there were."""
    for key in keys.split():
        page.keyboard.press(key)
    return len(keys.split())


def output(page: Page, letter: str) -> Locator:
    return page.get_by_role("region", name=f"Output {letter}", exact=True)


def chip(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def rank_list(page: Page, name: str) -> Locator:
    return page.get_by_role("list", name=name, exact=True)


def height(locator: Locator) -> float:
    box = locator.bounding_box()
    assert box is not None, "it is not shown"
    return box["height"]


def live_line(page: Page) -> Locator:
    return page.locator("[data-order]")


def ranks(ranking: Ranking) -> str:
    return "".join(str(rank) for rank in ranking.ranked_completions.values_list("rank", flat=True))


def test_nine_outputs_are_rated_and_ranked_by_keys_alone(desk: Page, ranking: Ranking) -> None:
    pressed = press(desk, "a 7 5 6 2 1 3 4 5 6")
    expect(output(desk, "I").get_by_role("radio", name="6", exact=True)).to_be_checked()
    pressed += press(desk, "r 1 4 2 7 9 6 6 =")
    start = "A is first, C is second, B is third, F and G tie for fourth, D "
    expect(live_line(desk)).to_have_text(f"{start}is sixth, E and H tie for seventh. Not ranked yet: I")
    pressed += press(desk, "= i ArrowLeft Alt+ArrowUp")
    expect(live_line(desk)).to_have_text(f"{start}and I tie for sixth, E and H tie for eighth")
    pressed += press(desk, "Control+Enter")
    expect(desk.get_by_text("Ranking submitted.")).to_be_visible()
    assert ranks(ranking) == "142796697"
    assert list(ranking.ranked_completions.values_list("rating", flat=True)) == [7, 5, 6, 2, 1, 3, 4, 5, 6]
    assert pressed < 45


def test_letters_and_arrows_move_between_cards_and_between_chips(desk: Page) -> None:
    press(desk, "c")
    expect(output(desk, "C")).to_be_focused()
    press(desk, "ArrowDown")
    expect(output(desk, "D")).to_be_focused()
    expect(output(desk, "D").get_by_role("heading")).to_be_in_viewport()
    press(desk, "r b 2 a 2 a ArrowDown")
    expect(chip(desk, "Output B, rank 2")).to_be_focused()
    expect(output(desk, "B").get_by_role("heading")).to_be_in_viewport()
    press(desk, "ArrowDown ArrowDown")
    expect(chip(desk, "Output D, not ranked yet")).to_be_focused()
    press(desk, "r")
    expect(output(desk, "D")).to_be_focused()
    expect(rank_list(desk, "Rank 2").get_by_role("button")).to_have_count(2)


def test_a_chip_is_dragged_into_a_tie_and_back_off_the_ranks(desk: Page) -> None:
    press(desk, "r 3")
    drag(desk, chip(desk, "Output H, not ranked yet"), rank_list(desk, "Rank 3"))
    expect(live_line(desk)).to_contain_text("A and H tie for first")
    drag(desk, chip(desk, "Output A, rank 3"), rank_list(desk, "Not ranked yet"))
    expect(live_line(desk)).to_contain_text("H is first")
    expect(output(desk, "A").get_by_label("Rank of output A")).to_have_value("")


def test_a_click_ranks_where_dragging_is_hard(desk: Page) -> None:
    chip(desk, "Output B, not ranked yet").click()
    desk.get_by_role("button", name="Move to rank 4").click()
    expect(chip(desk, "Output B, rank 4")).to_be_visible()
    expect(chip(desk, "Output C, not ranked yet")).to_be_focused()


def test_ratings_fill_the_ranks_only_when_asked_and_are_put_back(desk: Page) -> None:
    press(desk, "a 4 6 4 r 9")
    expect(live_line(desk)).to_contain_text("A is first. Not ranked yet")
    desk.get_by_role("button", name="Fill from my ratings").click()
    filled = "Filled from your ratings. B is first, A and C tie for second. Not ranked yet: D"
    expect(live_line(desk)).to_contain_text(filled)
    desk.get_by_role("button", name="Put back").click()
    expect(live_line(desk)).to_contain_text("A is first. Not ranked yet: B")
    expect(desk.get_by_role("button", name="Put back")).to_be_hidden()


def test_a_rank_that_contradicts_a_rating_is_named(desk: Page) -> None:
    press(desk, "a 3 3 5 r 1 1 2")
    expect(
        desk.get_by_text("A is ranked above C, though C is rated higher. B is ranked above C")
    ).to_be_visible()
    press(desk, "c 1")
    expect(desk.get_by_text("is ranked above")).to_be_hidden()


def test_typing_a_note_is_only_typing(desk: Page, ranking: Ranking) -> None:
    press(desk, "b n")
    desk.keyboard.type("abc 1 = r x ?")
    expect(output(desk, "B").get_by_label("Notes on output B")).to_have_value("abc 1 = r x ?")
    press(desk, "Escape")
    expect(output(desk, "B")).to_be_focused()
    expect(desk.get_by_role("dialog")).to_have_count(0)
    assert live_line(desk).inner_text() == ""


def test_the_sheet_of_keys_opens_closes_and_turns_single_keys_off(desk: Page) -> None:
    press(desk, "?")
    expect(desk.get_by_role("dialog", name="Keys")).to_be_visible()
    press(desk, "a Escape")
    expect(desk.get_by_role("dialog")).to_have_count(0)
    press(desk, "a ?")
    desk.get_by_label("Use these single keys").uncheck()
    press(desk, "Escape 7")
    expect(output(desk, "A").get_by_role("radio", name="7", exact=True)).not_to_be_checked()
    desk.reload()
    press(desk, "?")
    expect(desk.get_by_role("dialog")).to_have_count(0)


def test_flags_are_answered_counted_explained_and_kept(desk: Page, ranking: Ranking) -> None:
    desk.unroute("**/draft")
    output(desk, "D").get_by_text("Flags", exact=True).click()
    output(desk, "D").get_by_label("Hallucination", exact=True).check()
    output(desk, "D").get_by_label("What “Hallucination” means").click()
    expect(
        output(desk, "D").get_by_text("Only for prompts whose answer must come from a given text")
    ).to_be_visible()
    desk.get_by_text("Flag the prompt").click()
    desk.get_by_label("Closed domain").check()
    expect(desk.get_by_text("Draft saved.")).to_be_visible()
    desk.reload()
    expect(output(desk, "D").locator("[data-count]")).to_have_text("1")
    expect(desk.get_by_label("Closed domain")).to_be_checked()
    assert ranking.ranked_completions.get(place=3).flags == ["hallucination"]


def test_a_very_long_output_is_folded_and_markdown_has_its_raw_text(desk: Page, ranking: Ranking) -> None:
    Completion.objects.filter(ranked_completions__place=1).update(text="A **long** answer. " + "word " * 2000)
    desk.reload()
    long, short = output(desk, "B"), output(desk, "C")
    folded = height(long)
    press(desk, "b x")
    expect(long.get_by_role("button", name="Show less")).to_be_visible()
    assert height(long) > 5 * folded
    expect(short.get_by_role("button", name="Show all")).to_be_hidden()
    long.get_by_role("button", name="Raw text").click()
    expect(long.get_by_text("A **long** answer.")).to_be_visible()
    desk.get_by_role("button", name="Collapse all").click()
    assert height(long) < folded + 50
    desk.get_by_role("button", name="Raw text").first.click()
    expect(short.get_by_text("**Answer**")).to_be_visible()


def test_two_outputs_are_compared_without_leaving(desk: Page) -> None:
    press(desk, "b s")
    dialog = desk.get_by_role("dialog", name="Compare two")
    expect(dialog.get_by_role("region", name="Output B")).to_contain_text("**Answer**")
    expect(dialog.locator("ins").first).to_be_visible()
    dialog.get_by_label("Right").select_option("I")
    expect(dialog.get_by_role("region", name="Output I")).to_be_visible()
    press(desk, "Escape")
    expect(output(desk, "B")).to_be_focused()


def test_a_phone_ranks_on_a_sheet_that_never_covers_what_is_typed(
    browser: Browser, live_server: LiveServer, all_answered: None, ranking: Ranking, lena: User
) -> None:
    context = browser.new_context(
        base_url=live_server.url, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True
    )
    page = context.new_page()
    enter(page, lena)
    page.goto(f"/rankings/{ranking.pk}")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.get_by_role("button", name="Rank", exact=True).tap()
    for rank in (2, 1):
        page.get_by_role("button", name=f"Move to rank {rank}").tap()
    touch_drag(page, chip(page, "Output C, not ranked yet"), rank_list(page, "Rank 2"))
    expect(live_line(page)).to_contain_text("B is first, A and C tie for second")
    page.get_by_role("button", name="Rank", exact=True).tap()
    expect(rank_list(page, "Rank 2")).to_be_hidden()
    page.get_by_label("Notes on the whole").tap()
    expect(live_line(page)).to_be_hidden()
    context.close()
