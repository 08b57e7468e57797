"""The labeler's way in a real browser: write, watch, rate, rank and submit."""

import pytest
from playwright.sync_api import Locator, Page, expect

from annotate.models import Campaign, ClaimState, Completion, Prompt, Ranking, Sampling, User
from tests.browser.board import drag
from tests.browser.conftest import enter, sign_in
from tests.rows import make_policy, sampled_prompt

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def sample(prompt: Prompt, place: int) -> None:
    """Do what the sampling worker does for one completion."""
    policy = make_policy(prompt.campaign)
    Completion.objects.create(prompt=prompt, policy=policy, place=place, text=f"Answer **{place}**")
    if place == prompt.campaign.k - 1:
        Prompt.objects.filter(pk=prompt.pk).update(sampling=Sampling.SAMPLED)


def rate_all(page: Page, k: int) -> None:
    for letter in "ABCDEFGHI"[:k]:
        output = page.get_by_role("region", name=f"Output {letter}", exact=True)
        output.get_by_role("radio", name="5", exact=True).check()


def rank_field(page: Page, letter: str) -> Locator:
    return page.get_by_role("spinbutton", name=f"Rank of output {letter}")


def test_a_prompt_is_written_sampled_and_ranked(page: Page, campaign: Campaign, lena: User) -> None:
    sign_in(page, lena)
    page.get_by_role("link", name="Write a prompt").click()
    page.get_by_label("Prompt", exact=True).fill("Name a river in Asia.")
    page.get_by_role("button", name="Save and sample").click()
    expect(page.get_by_text("0 of 4 completions")).to_be_visible()
    prompt = Prompt.objects.get()
    for place in range(4):
        sample(prompt, place)
        expect(page.get_by_text(f"{place + 1} of 4 completions")).to_be_visible()
    page.get_by_role("button", name="Rank these completions").click()
    rate_all(page, 4)
    for letter, rank in zip("ABCD", "2142", strict=True):
        rank_field(page, letter).fill(rank)
    expect(page.get_by_text("B is first, A and D tie for second, C is fourth")).to_be_visible()
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_text("Ranking submitted.")).to_be_visible()
    ranking = Ranking.objects.get()
    assert [row.rank for row in ranking.ranked_completions.all()] == [2, 1, 4, 2]
    assert ranking.seconds is not None


def test_dragging_an_output_onto_a_rank_ranks_it(page: Page, campaign: Campaign, lena: User) -> None:
    sampled_prompt(campaign)
    enter(page, lena)
    page.goto("/")
    page.get_by_role("button", name="Rank", exact=True).click()
    chip = page.get_by_role("list", name="Not ranked yet").get_by_text("C", exact=True)
    drag(page, chip, page.get_by_role("list", name="Rank 1 (best)"))
    expect(rank_field(page, "C")).to_have_value("1")
    expect(page.get_by_text("Draft saved.")).to_be_visible()
    assert Ranking.objects.get().ranked_completions.get(place=2).rank == 1


def test_the_keyboard_alone_ranks_and_submits(page: Page, campaign: Campaign, lena: User) -> None:
    campaign.k = 2
    campaign.save()
    sampled_prompt(campaign)
    enter(page, lena)
    page.goto("/")
    page.get_by_role("button", name="Rank", exact=True).press("Enter")
    page.get_by_role("region", name="Output A").get_by_role("radio", name="1", exact=True).press("Space")
    page.get_by_role("region", name="Output B").get_by_role("radio", name="1", exact=True).press("Space")
    for key in ("ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    rank_field(page, "A").press("1")
    rank_field(page, "B").press("2")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Ranking submitted.")).to_be_visible()
    rows = Ranking.objects.get(state=ClaimState.SUBMITTED).ranked_completions
    assert list(rows.values_list("rating", "rank")) == [(1, 1), (3, 2)]


def test_a_draft_survives_leaving_the_page(page: Page, campaign: Campaign, lena: User) -> None:
    sampled_prompt(campaign)
    enter(page, lena)
    page.goto("/")
    page.get_by_role("button", name="Rank", exact=True).click()
    page.get_by_label("Notes on the whole").fill("A careful thought")
    expect(page.get_by_text("Draft saved.")).to_be_visible()
    page.goto("/")
    page.get_by_role("link", name="Ranking: Name a river.").click()
    expect(page.get_by_label("Notes on the whole")).to_have_value("A careful thought")


def test_what_is_typed_without_a_connection_comes_back(page: Page, campaign: Campaign, lena: User) -> None:
    sampled_prompt(campaign)
    enter(page, lena)
    page.goto("/")
    # Before the page that it is for: Chromium may leave out a page that is just being loaded.
    page.route("**/draft", lambda route: route.fulfill(status=422, body="The line is cut."))
    page.get_by_role("button", name="Rank", exact=True).click()
    page.get_by_label("Notes on the whole").fill("Typed in a tunnel")
    expect(page.get_by_text("The line is cut.")).to_be_visible()
    page.unroute("**/draft")
    page.reload()
    expect(page.get_by_label("Notes on the whole")).to_have_value("Typed in a tunnel")
    expect(page.get_by_text("Draft saved.")).to_be_visible()
    assert Ranking.objects.get().notes == "Typed in a tunnel"


def test_a_few_shot_prompt_takes_more_pairs(page: Page, campaign: Campaign, lena: User) -> None:
    enter(page, lena)
    page.goto(f"/write/{campaign.pk}/few-shot")
    page.get_by_label("Instruction").fill("Give the sentiment.")
    page.get_by_role("button", name="Add a pair").click()
    for number, (query, response) in enumerate(zip("abcd", "wxyz", strict=True)):
        page.get_by_label("Query").nth(number).fill(query)
        page.get_by_label("Response").nth(number).fill(response)
    page.get_by_role("button", name="Save and sample").click()
    expect(page.get_by_text("4 prompts written")).to_be_visible()
    assert len(Prompt.objects.first().messages) == 7
