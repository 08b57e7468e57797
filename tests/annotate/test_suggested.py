"""What becomes of suggestions: how many are used, and how much of their words is kept."""

import pytest

from annotate.actions import demonstrations, dialogues, suggestions
from annotate.models import Campaign, DialogueMode, Suggestion, User
from annotate.suggested import taken
from annotate.word_diff import share_kept
from tests.people import client_of
from tests.rows import make_prompt, promoted_policy, write_suggestion


@pytest.fixture
def campaign(campaign: Campaign) -> Campaign:
    promoted_policy(campaign)
    return campaign


def demonstrate(campaign: Campaign, person: User, suggested: str, text: str, is_used: bool = True) -> None:
    prompt = make_prompt(campaign)
    demonstration = demonstrations.claim_next(campaign, person)
    assert demonstration is not None
    suggestions.ask(campaign, person, prompt.messages, prompt=prompt)
    suggestion = write_suggestion(suggested)
    demonstrations.submit(demonstration, text, None, suggestion if is_used else None)


@pytest.mark.parametrize(
    ("before", "after", "share"),
    [
        ("one two three four", "one two three four", 1),
        ("one two three four", "zero one  three", 0.5),
        ("one two", "three", 0),
        ("", "three", 0),
        ("莱茵河", "莱河很长", 2 / 3),
    ],
)
def test_words_kept_are_counted_in_their_order(before: str, after: str, share: float) -> None:
    assert share_kept(before, after) == share


def test_used_suggestions_are_counted_with_what_is_left_of_them(campaign: Campaign, lena: User) -> None:
    assert taken(campaign) == (0, 0, None)
    demonstrate(campaign, lena, "one two", "one two")
    demonstrate(campaign, lena, "one two three four", "one two")
    demonstrate(campaign, lena, "one two", "one two", is_used=False)
    assert taken(campaign) == (3, 2, 0.75)


def test_turns_of_both_sides_count_once_and_chats_not_at_all(campaign: Campaign, lena: User) -> None:
    both = dialogues.open_dialogue(campaign, lena, DialogueMode.BOTH_SIDES)
    for place in range(2):
        dialogues.suggest(both)
        dialogues.add_turn(both, place, "one", write_suggestion("one two"), None)
    dialogues.finish(both, "", None)
    chat = dialogues.open_dialogue(campaign, lena, DialogueMode.CHAT)
    dialogues.add_turn(chat, 0, "Hi", None, None)
    write_suggestion("Hello")
    assert taken(campaign) == (2, 2, 0.5)
    assert Suggestion.objects.count() == 3


def test_researchers_see_it_on_the_campaigns_page(campaign: Campaign, lena: User, rosa: User) -> None:
    demonstrate(campaign, lena, "one two three four", "one two three")
    page = client_of(rosa).get(f"/campaigns/{campaign.pk}").content.decode()
    assert "75 %" in page
    assert f"/write/{campaign.pk}/dialogues" in page
