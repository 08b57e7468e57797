"""Nothing typed is ever lost, and no blank moment between two items: in a real browser."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone
from playwright.sync_api import BrowserContext, Page, Route, expect

from annotate.actions import answers, claims, rankings
from annotate.models import Campaign, ClaimState, Demonstration, Instructions, Ranking, Revision, User
from tests.browser.conftest import enter
from tests.people import PASSWORD
from tests.rows import make_prompt, sampled_prompt

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NOTES = "Notes on the whole"
SIGN_IN_AGAIN = "Sign in again in a new tab"


@pytest.fixture
def desk(page: Page, campaign: Campaign, lena: User) -> Page:
    """The ranking page of the first of three pairwise prompts."""
    campaign.k = 2
    campaign.save()
    for river in ("Rhine", "Indus", "Volga"):
        sampled_prompt(campaign, f"Where is the {river}?")
    enter(page, lena)
    page.goto("/")
    page.get_by_role("button", name="Rank", exact=True).click()
    # Whatever a test cuts or ends, the page itself has come whole.
    expect(page.get_by_text("0 done today")).to_be_visible()
    return page


@pytest.fixture
def write(page: Page, campaign: Campaign, lena: User) -> Page:
    """The page of the first of two demonstrations."""
    for river in ("Rhine", "Indus"):
        make_prompt(campaign, f"Where is the {river}?")
    enter(page, lena)
    page.goto("/")
    page.get_by_role("button", name="Demonstrate").click()
    # Whatever a test cuts or ends, the page itself has come whole.
    expect(page.get_by_text("0 done today")).to_be_visible()
    return page


def completion(page: Page, text: str) -> None:
    page.get_by_label("Your completion").fill(text)


def submit(page: Page) -> None:
    page.get_by_role("button", name="Submit").click()


def wait_for_draft(page: Page, text: str) -> None:
    for _ in range(200):
        if Demonstration.objects.filter(text=text).exists():
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"the draft “{text}” never reached the server")


def saved(page: Page) -> None:
    expect(page.get_by_text("Draft saved.")).to_be_visible()


def test_words_typed_without_a_network_arrive_once_it_is_back(write: Page, context: BrowserContext) -> None:
    context.set_offline(True)
    completion(write, "Typed in a tunnel")
    expect(write.get_by_text("Kept in this browser")).to_be_visible()
    context.set_offline(False)
    saved(write)
    assert Demonstration.objects.filter(text="Typed in a tunnel").exists()


def test_a_killed_tab_loses_nothing(write: Page, context: BrowserContext) -> None:
    context.set_offline(True)
    completion(write, "Typed before the crash")
    address = write.url
    write.close(run_before_unload=False)
    context.set_offline(False)
    again = context.new_page()
    again.goto(address)
    expect(again.get_by_label("Your completion")).to_have_value("Typed before the crash")
    saved(again)


def test_words_typed_before_the_script_has_come_are_kept(write: Page) -> None:
    held: list[Route] = []
    write.route("**/drafts*.js", lambda route: held.append(route))
    write.reload(wait_until="commit")
    completion(write, "Typed at once")
    while not held:
        write.wait_for_timeout(20)
    held[0].continue_()
    saved(write)
    assert Demonstration.objects.filter(text="Typed at once").exists()


def fill_in(page: Page) -> None:
    """Rate, rank, flag and annotate two outputs."""
    for letter, rating in (("A", "6"), ("B", "3")):
        output = page.get_by_role("region", name=f"Output {letter}", exact=True)
        output.get_by_role("radio", name=rating, exact=True).check()
        output.get_by_label(f"Rank of output {letter}").fill("1" if letter == "A" else "2")
    output.get_by_text("Flags", exact=False).first.click()
    output.get_by_label("Hallucination", exact=True).check()
    page.get_by_text("Flag the prompt").click()
    page.get_by_label("Ambiguous").check()
    page.get_by_label(NOTES).fill("Close call")


def test_a_killed_tab_loses_nothing_of_a_ranking(desk: Page, context: BrowserContext) -> None:
    desk.wait_for_load_state("networkidle")
    context.set_offline(True)
    fill_in(desk)
    address = desk.url
    desk.close(run_before_unload=False)
    context.set_offline(False)
    again = context.new_page()
    again.goto(address)
    expect(again.get_by_text("A is first, B is second")).to_be_visible()
    again.reload(wait_until="networkidle")
    submit(again)
    expect(again.get_by_text("Where is the Indus?")).to_be_visible()
    ranking = Ranking.objects.get(state=ClaimState.SUBMITTED)
    assert (ranking.notes, ranking.prompt_flags) == ("Close call", ["ambiguous"])
    said = ranking.ranked_completions.values_list("rating", "rank", "flags")
    assert list(said) == [(6, 1, []), (3, 2, ["hallucination"])]


def test_an_ended_session_says_so_and_takes_the_words_after_signing_in_elsewhere(
    write: Page, context: BrowserContext
) -> None:
    Session.objects.all().delete()
    completion(write, "Typed while signed out")
    expect(write.get_by_text("You are signed out; what you wrote is kept here.")).to_be_visible()
    with context.expect_page() as opened:
        write.get_by_role("link", name=SIGN_IN_AGAIN).click()
    tab = opened.value
    tab.get_by_label("Username").fill("lena")
    tab.get_by_label("Password").fill(PASSWORD)
    tab.get_by_role("button", name="Sign in").click()
    tab.get_by_role("heading", name="What there is to do").wait_for()
    saved(write)
    assert Demonstration.objects.get(text="Typed while signed out")


def test_a_submit_while_signed_out_keeps_page_and_words(write: Page, context: BrowserContext) -> None:
    context.clear_cookies()
    completion(write, "Typed while signed out")
    submit(write)
    expect(write.get_by_role("alert")).to_have_text("You are signed out; what you wrote is kept here.")
    expect(write.get_by_role("link", name=SIGN_IN_AGAIN)).to_be_visible()
    expect(write.get_by_label("Your completion")).to_have_value("Typed while signed out")


def test_a_prompt_sent_while_signed_out_is_there_after_signing_in(
    page: Page, campaign: Campaign, lena: User
) -> None:
    enter(page, lena)
    page.goto(f"/write/{campaign.pk}")
    page.get_by_label("Prompt", exact=True).fill("A long thought")
    Session.objects.all().delete()
    page.get_by_role("button", name="Save and sample").click()
    page.get_by_label("Username").fill("lena")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("A long thought")


def test_a_browser_that_cannot_store_says_when_words_are_only_on_the_page(
    page: Page, context: BrowserContext, campaign: Campaign, lena: User
) -> None:
    page.add_init_script("Storage.prototype.setItem = () => { throw new Error('full'); }")
    make_prompt(campaign)
    enter(page, lena)
    page.goto("/")
    page.get_by_role("button", name="Demonstrate").click()
    expect(page.get_by_text("0 done today")).to_be_visible()
    context.set_offline(True)
    completion(page, "Nowhere else")
    expect(page.get_by_text("leave this page open")).to_be_visible()
    context.set_offline(False)
    saved(page)


def test_a_lapsed_claim_is_taken_up_again_by_going_on(write: Page) -> None:
    Demonstration.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    claims.release_stale_claims()
    completion(write, "Written late")
    saved(write)
    assert Demonstration.objects.get(text="Written late").state == ClaimState.CLAIMED


def test_a_claim_that_others_took_keeps_the_words_on_page_and_server(
    desk: Page, campaign: Campaign, lars: User
) -> None:
    first = Ranking.objects.earliest("pk")
    Ranking.objects.filter(pk=first.pk).update(state=ClaimState.EXPIRED, slot=None, lease_until=None)
    assert rankings.claim_prompt(first.prompt, lars) is not None
    desk.get_by_label(NOTES).fill("Typed in vain")
    expect(desk.get_by_text("others have answered it since. What you wrote is kept.")).to_be_visible()
    desk.reload()
    expect(desk.get_by_label(NOTES)).to_have_value("Typed in vain")
    assert Ranking.objects.get(pk=first.pk).notes == "Typed in vain"


def test_a_tab_that_was_overtaken_says_so(write: Page, context: BrowserContext) -> None:
    other = context.new_page()
    other.goto(write.url)
    completion(other, "From the other tab")
    saved(other)
    completion(write, "From the first tab")
    expect(write.get_by_text("It replaced a newer one, from another tab or device.")).to_be_visible()


def test_leaving_at_once_and_coming_back_is_no_conflict(write: Page) -> None:
    address = write.url
    completion(write, "Off I go")
    write.goto("/")
    wait_for_draft(write, "Off I go")
    write.goto(address)
    expect(write.get_by_label("Your completion")).to_have_value("Off I go")
    expect(write.get_by_text("A newer draft")).to_be_hidden()


def test_words_kept_before_a_newer_draft_wait_for_a_click(write: Page, context: BrowserContext) -> None:
    context.set_offline(True)
    completion(write, "Kept here")
    address = write.url
    write.close(run_before_unload=False)
    context.set_offline(False)
    Demonstration.objects.update(text="Sent from elsewhere", drafted_at=timezone.now())
    again = context.new_page()
    again.goto(address)
    expect(again.get_by_label("Your completion")).to_have_value("Sent from elsewhere")
    again.get_by_role("button", name="Show what you typed in this browser").click()
    expect(again.get_by_label("Your completion")).to_have_value("Kept here")


def test_a_submit_swaps_the_next_item_in_without_a_load(write: Page) -> None:
    write.reload(wait_until="networkidle")
    write.evaluate("window.marker = 'the same window'")
    completion(write, "Europe")
    submit(write)
    expect(write.get_by_text("Where is the Indus?")).to_be_visible()
    expect(write.get_by_text("Demonstration submitted.")).to_be_visible()
    expect(write.get_by_label("Your completion")).to_have_value("")
    assert write.evaluate("window.marker") == "the same window"
    assert write.url.endswith(f"/demonstrations/{Demonstration.objects.get(state='claimed').pk}")
    write.go_back()
    expect(write.get_by_label("Your completion")).to_have_value("Europe")


def test_after_the_last_item_the_plain_way_leads_home(write: Page) -> None:
    for river in ("Rhine", "Indus"):
        expect(write.get_by_text(f"Where is the {river}?")).to_be_visible()
        completion(write, river)
        submit(write)
    expect(write.get_by_text("No prompt of Helpful answers lacks a demonstration.")).to_be_visible()
    assert Demonstration.objects.filter(state=ClaimState.SUBMITTED).count() == 2
    assert not Revision.objects.exists()


def test_a_double_click_submits_once(write: Page) -> None:
    completion(write, "Europe")
    write.get_by_role("button", name="Submit").dblclick()
    expect(write.get_by_text("Where is the Indus?")).to_be_visible()
    assert Demonstration.objects.get(state=ClaimState.SUBMITTED).text == "Europe"


def test_a_submit_without_a_network_can_be_sent_again(write: Page, context: BrowserContext) -> None:
    completion(write, "Europe")
    context.set_offline(True)
    submit(write)
    expect(write.get_by_role("alert")).to_contain_text("the server has not answered yet")
    context.set_offline(False)
    submit(write)
    expect(write.get_by_text("Demonstration submitted.")).to_be_visible()


def test_a_refused_submit_says_why_at_the_form_and_keeps_everything(write: Page) -> None:
    submit(write)
    expect(write.get_by_role("alert")).to_contain_text("Demonstration: write the completion")
    expect(write.locator("form[data-answer] [data-refusal]")).to_be_focused()


def test_undo_counts_down_and_brings_the_answer_back(write: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    # Two busy cores may take longer than a person.
    monkeypatch.setattr(answers, "UNDO_GRACE", timedelta(minutes=5))
    completion(write, "Europ")
    submit(write)
    undo = write.get_by_role("button", name="Undo", exact=True)
    expect(undo).to_contain_text(re.compile("[2-9]"))  # of 10 seconds
    undo.press("Enter")
    expect(write.get_by_label("Your completion")).to_have_value("Europ")
    assert Demonstration.objects.get(text="Europ").state == ClaimState.CLAIMED
    write.get_by_text("Earlier versions of your answer").click()
    expect(write.locator("details[open]").get_by_text("Europ")).to_be_visible()


def test_undo_goes_away_once_it_is_too_late(write: Page) -> None:
    write.clock.install()
    completion(write, "Europe")
    submit(write)
    expect(write.get_by_role("button", name="Undo", exact=True)).to_be_visible()
    write.clock.run_for(11_000)
    expect(write.get_by_role("button", name="Undo", exact=True)).to_be_hidden()


def test_skipping_asks_why_and_goes_on(desk: Page) -> None:
    desk.reload(wait_until="networkidle")
    desk.get_by_text("Skip this prompt").click()
    desk.get_by_role("button", name="Skip", exact=True).click()
    expect(desk.get_by_role("alert")).to_have_text("Reason: choose why you skip this prompt.")
    desk.get_by_label("I lack the expertise").check()
    desk.get_by_role("button", name="Skip", exact=True).click()
    expect(desk.get_by_text("Where is the Indus?")).to_be_visible()
    assert Ranking.objects.get(state=ClaimState.SKIPPED).skip_kind == "expertise"


def test_the_desk_says_what_is_done_and_what_changed_in_the_instructions(
    write: Page, campaign: Campaign
) -> None:
    expect(write.get_by_text("0 done today · 2 left for you")).to_be_visible()
    Instructions.objects.create(campaign=campaign, version=2, text="Prefer **brief**, true answers.")
    completion(write, "Europe")
    submit(write)
    expect(write.get_by_text("1 done today")).to_be_visible()
    write.get_by_text("Changed since you last worked").click()
    expect(write.locator("ins")).to_have_text("brief")
    expect(write.locator("del")).to_have_text("helpful")


def test_a_long_draft_reaches_the_server(write: Page) -> None:
    completion(write, "词" * 20_000)
    saved(write)
    assert Demonstration.objects.filter(text="词" * 20_000).exists()


def test_the_time_worked_is_shown_and_stops_without_a_sign_of_life(write: Page) -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    write.clock.install(time=noon)
    write.reload()
    write.clock.pause_at(noon + timedelta(hours=1))
    write.evaluate("document.querySelector('[name=seconds]').value = 0")
    write.get_by_label("Your completion").press("E")
    write.clock.run_for(45_000)
    expect(write.locator("[data-clock]")).to_have_text("0:45")
    write.clock.run_for(60_000)
    expect(write.locator("[data-clock]")).to_have_text("1:00")
