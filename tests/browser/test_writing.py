"""Writing in a real browser: prompts, demonstrations with suggestions, and dialogues."""

import re

import pytest
from playwright.sync_api import Page, expect

from annotate.models import Campaign, Demonstration, Dialogue, DialogueState, Prompt, Suggestion, User
from tests.browser.conftest import enter
from tests.rows import make_prompt, promoted_policy, write_suggestion

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def lenas_page(page: Page, campaign: Campaign, lena: User) -> Page:
    promoted_policy(campaign)
    enter(page, lena)
    page.goto("/")
    return page


def answer(page: Page, text: str) -> None:
    """Wait for the page to show that it waits, then do what the sampling worker does."""
    expect(page.get_by_text("Waiting for the sampler")).to_be_visible()
    write_suggestion(text)


def say(page: Page, label: str, text: str) -> None:
    page.get_by_label(label).fill(text)
    page.get_by_role("button", name=re.compile("Send|Add this message")).click()
    expect(page.get_by_role("list").get_by_text(text).first).to_be_visible()


def test_a_demonstration_begins_from_a_suggestion_and_the_earlier_text_comes_back(
    lenas_page: Page, campaign: Campaign
) -> None:
    page = lenas_page
    make_prompt(campaign)
    page.goto("/")
    page.get_by_role("button", name="Demonstrate").click()
    page.get_by_label("Your completion").fill("My own words")
    page.get_by_role("button", name="Suggest a completion").click()
    answer(page, "The **Rhone**.")
    expect(page.get_by_text("The Rhone.")).to_be_visible()
    page.get_by_role("button", name="Use this text").click()
    expect(page.get_by_label("Your completion")).to_have_value("The **Rhone**.")
    expect(page.get_by_text("Draft saved.")).to_be_visible()
    page.reload()
    page.get_by_role("button", name="Bring my earlier text back").click()
    expect(page.get_by_label("Your completion")).to_have_value("My own words")
    page.get_by_role("button", name="Use this text").click()
    page.get_by_label("Your completion").fill("The Rhine.")
    page.get_by_role("button", name="Submit").click()
    page.get_by_role("heading", name="What there is to do").wait_for()
    demonstration = Demonstration.objects.get()
    assert (demonstration.text, demonstration.suggestion) == ("The Rhine.", Suggestion.objects.get())


def test_a_labeler_writes_both_sides(lenas_page: Page) -> None:
    page = lenas_page
    page.get_by_role("link", name="Write a dialogue").click()
    page.get_by_role("button", name="Write both sides").click()
    say(page, "Next message, as the user", "Name a river.")
    page.get_by_role("button", name="Suggest an answer").click()
    answer(page, "The Rhone")
    page.get_by_role("button", name="Use this text").click()
    page.get_by_label("Next message, as the assistant").press("End")
    page.keyboard.type(".\nIn France.")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_label("Next message, as the user")).to_be_focused()
    page.get_by_role("button", name="Finish").click()
    expect(page.get_by_text("Each answer of the assistant is a demonstration now.")).to_be_visible()
    demonstration = Demonstration.objects.get()
    assert demonstration.text == "The Rhone.\nIn France."
    assert demonstration.suggestion == Suggestion.objects.get()
    assert Dialogue.objects.get().seconds is not None


def test_a_turn_is_changed_and_the_last_taken_back_into_the_draft(lenas_page: Page) -> None:
    page = lenas_page
    page.get_by_role("link", name="Write a dialogue").click()
    page.get_by_role("button", name="Write both sides").click()
    say(page, "Next message, as the user", "Name a river.")
    say(page, "Next message, as the assistant", "The Rhine.")
    page.get_by_text("Change", exact=True).first.click()
    page.get_by_label("Message 1").fill("Name a lake.")
    page.get_by_role("button", name="Change this message").first.click()
    expect(page.get_by_role("list").get_by_text("Name a lake.").first).to_be_visible()
    page.get_by_role("button", name="Take the last message back").click()
    expect(page.get_by_label("Next message, as the assistant")).to_have_value("The Rhine.")
    assert [turn.text for turn in Dialogue.objects.get().turns.all()] == ["Name a lake."]


def test_an_unfinished_message_survives_leaving_and_a_lost_network(lenas_page: Page) -> None:
    page = lenas_page
    page.get_by_role("link", name="Write a dialogue").click()
    page.get_by_role("button", name="Write both sides").click()
    page.get_by_label("Next message, as the user").fill("Half a")
    expect(page.get_by_text("Draft saved.")).to_be_visible()
    page.route("**/draft", lambda route: route.fulfill(status=422, body="The line is cut."))
    page.get_by_label("Next message, as the user").fill("Half a message")
    expect(page.get_by_text("The line is cut.")).to_be_visible()
    assert Dialogue.objects.get().draft == "Half a"
    page.unroute("**/draft")
    page.goto(f"/dialogues/{Dialogue.objects.get().pk}")
    expect(page.get_by_label("Next message, as the user")).to_have_value("Half a message")
    expect(page.get_by_text("Draft saved.")).to_be_visible()
    assert Dialogue.objects.get().draft == "Half a message"


def test_a_chat_becomes_a_prompt(lenas_page: Page) -> None:
    page = lenas_page
    page.get_by_role("link", name="Write a dialogue").click()
    page.get_by_role("button", name="Begin a chat").click()
    say(page, "Your next message", "Name a river.")
    answer(page, "The **Rhine**.")
    expect(page.get_by_text("The Rhine.")).to_be_visible()
    say(page, "Your next message", "And a lake?")
    answer(page, "")
    page.get_by_role("button", name="Ask again").click()
    answer(page, "Lake Geneva.")
    expect(page.get_by_text("Lake Geneva.")).to_be_visible()
    page.get_by_role("button", name="Finish").click()
    expect(page.get_by_text("This message was picked")).to_be_visible()
    page.get_by_role("link", name="See them come").click()
    expect(page.get_by_text("0 of 4 completions")).to_be_visible()
    assert Dialogue.objects.get().state == DialogueState.FINISHED


def test_a_prompt_is_flagged_and_its_characters_counted(lenas_page: Page) -> None:
    page = lenas_page
    page.get_by_role("link", name="Write a prompt").click()
    page.get_by_label("Prompt", exact=True).fill("Is it right? 🙂")
    expect(page.get_by_text("14 of 8000 characters")).to_be_visible()
    page.get_by_text("Say more about this prompt").click()
    page.get_by_label("Requests moral judgment").check()
    page.get_by_role("button", name="Save and sample").click()
    expect(page.get_by_text("Requests moral judgment")).to_be_visible()
    assert Prompt.objects.get().flags == ["moral_judgment"]


def test_pairs_show_what_they_make(lenas_page: Page, campaign: Campaign) -> None:
    page = lenas_page
    page.goto(f"/write/{campaign.pk}/few-shot")
    page.get_by_label("Instruction").fill("Give the sentiment.")
    for number in range(2):
        page.get_by_label("Query").nth(number).fill(f"Query {number}")
        page.get_by_label("Response").nth(number).fill(f"Response {number}")
    preview = page.get_by_role("region", name="Preview")
    expect(preview.get_by_text("2 pairs make 2 prompts")).to_be_visible()
    expect(preview.get_by_text("Response 1")).to_be_visible()
    expect(preview.get_by_text("Response 0")).not_to_be_visible()
