"""Dialogues over HTTP: both sides, chats, what they become, and who may do what with them."""

import pytest
from django.test import Client

from annotate.models import (
    Campaign,
    ClaimState,
    Demonstration,
    Dialogue,
    DialogueState,
    Kind,
    Prompt,
    Sampling,
    Suggestion,
    User,
)
from tests.people import client_of
from tests.rows import POLICY_NAME, promoted_policy, write_suggestion

TALK = ["Hi", "Hello!", "A river?", "The Rhine."]


@pytest.fixture
def client(lena: User) -> Client:
    return client_of(lena)


def begin(client: Client, campaign: Campaign, mode: str) -> Dialogue:
    promoted_policy(campaign)
    client.post(f"/write/{campaign.pk}/dialogues/open", {"mode": mode})
    return Dialogue.objects.get()


@pytest.fixture
def both(client: Client, campaign: Campaign) -> Dialogue:
    return begin(client, campaign, "both_sides")


@pytest.fixture
def chat(client: Client, campaign: Campaign) -> Dialogue:
    return begin(client, campaign, "chat")


def say(client: Client, dialogue: Dialogue, place: int, text: str, **more: object) -> int:
    """Send a message, and return the status of the answer."""
    sent = {"text": text, "seconds": "5", **more}
    return client.post(f"/dialogues/{dialogue.pk}/turns/{place}/add", sent).status_code


def say_all(client: Client, dialogue: Dialogue) -> None:
    for place, text in enumerate(TALK):
        assert say(client, dialogue, place, text) == 302


def said(dialogue: Dialogue) -> list[str]:
    return [turn.said for turn in dialogue.turns.select_related("suggestion")]


def test_both_sides_take_turns(client: Client, both: Dialogue) -> None:
    say_all(client, both)
    assert said(both) == TALK
    assert list(both.turns.values_list("role", flat=True)) == ["user", "assistant"] * 2
    page = client.get(f"/dialogues/{both.pk}").content.decode()
    assert all(text in page for text in TALK)


def test_each_answer_becomes_a_demonstration_of_all_before_it(
    client: Client, both: Dialogue, lena: User
) -> None:
    say_all(client, both)
    assert client.post(f"/dialogues/{both.pk}/finish").status_code == 302
    first, second = Prompt.objects.order_by("pk")
    assert [message["content"] for message in second.messages] == TALK[:3]
    assert (second.kind, second.sampling, second.author) == (Kind.DIALOGUE, Sampling.NONE, lena)
    written = Demonstration.objects.filter(state=ClaimState.SUBMITTED, labeler=lena).order_by("pk")
    assert list(written.values_list("prompt", "text")) == [(first.pk, "Hello!"), (second.pk, "The Rhine.")]
    assert list(both.turns.values_list("demonstration", flat=True)) == [
        None, written[0].pk, None, written[1].pk
    ]  # fmt: skip
    client.post(f"/dialogues/{both.pk}/finish")
    assert Prompt.objects.count() == 2


def test_a_dialogue_ends_with_an_answer(client: Client, both: Dialogue) -> None:
    for place, text in enumerate(["", *TALK[:3]]):
        if text:
            say(client, both, place - 1, text)
        if place != 2:
            assert client.post(f"/dialogues/{both.pk}/finish").status_code == 409
    assert not Prompt.objects.exists()
    assert Dialogue.objects.get().state == DialogueState.OPEN


def test_a_message_that_is_begun_is_not_lost_by_finishing(client: Client, both: Dialogue) -> None:
    say_all(client, both)
    answer = client.post(f"/dialogues/{both.pk}/finish", {"text": "And the Po?"})
    assert answer.status_code == 422
    assert "And the Po?</textarea>" in answer.content.decode()
    assert Dialogue.objects.get().state == DialogueState.OPEN


@pytest.mark.parametrize(
    ("text", "message"), [(" ", "Message: write"), ("x" * 8001, "8001 characters; at most 8000 fit")]
)
def test_an_empty_or_too_long_message_is_refused_and_kept(
    client: Client, both: Dialogue, text: str, message: str
) -> None:
    answer = client.post(f"/dialogues/{both.pk}/turns/0/add", {"text": text})
    assert answer.status_code == 422
    assert message in answer.content.decode()
    assert f"{text}</textarea>" in answer.content.decode()
    say(client, both, 0, "Hi")
    changed = client.post(f"/dialogues/{both.pk}/turns/0/change", {"text": text})
    assert changed.status_code == 422
    assert f"{text}</textarea>" in changed.content.decode()
    assert said(both) == ["Hi"]


def test_a_message_sent_twice_is_added_once_and_one_from_another_window_is_refused(
    client: Client, both: Dialogue
) -> None:
    assert [say(client, both, 0, "Hi"), say(client, both, 0, "Hi")] == [302, 302]
    assert say(client, both, 0, "Good day") == 409
    assert said(both) == ["Hi"]


def test_earlier_messages_can_be_changed_and_the_last_taken_back(client: Client, both: Dialogue) -> None:
    say_all(client, both)
    url = f"/dialogues/{both.pk}/turns"
    client.post(f"{url}/1/change", {"text": "Good day!"})
    assert client.post(f"{url}/1/take-back").status_code == 409
    for _click in range(2):
        client.post(f"{url}/3/take-back", {"text": "Typed since"})
    assert said(both) == ["Hi", "Good day!", "A river?"]
    assert Dialogue.objects.get().draft == "The Rhine.\n\nTyped since"


def test_a_draft_is_kept_with_its_suggestion(client: Client, both: Dialogue) -> None:
    client.post(f"/dialogues/{both.pk}/suggest", headers={"HX-Request": "true"})
    suggestion = write_suggestion("How are you?")
    url = f"/dialogues/{both.pk}/turns/0/draft"
    assert client.post(url, {"text": "How", "suggestion": suggestion.pk}).status_code == 204
    page = client.get(f"/dialogues/{both.pk}").content.decode()
    assert "How</textarea>" in page
    assert f'name="suggestion" value="{suggestion.pk}"' in page
    assert client.post(url, {"text": "x" * 8001}).status_code == 422
    assert Dialogue.objects.get().draft == "How"


def test_a_draft_that_comes_after_its_message_is_not_the_next_ones(client: Client, both: Dialogue) -> None:
    say(client, both, 0, "Hi")
    assert client.post(f"/dialogues/{both.pk}/turns/0/draft", {"text": "Hi"}).status_code == 409
    assert Dialogue.objects.get().draft == ""


def test_a_turn_says_which_suggestion_it_began_from(client: Client, both: Dialogue) -> None:
    say(client, both, 0, "Hi")
    fragment = client.post(f"/dialogues/{both.pk}/suggest", headers={"HX-Request": "true"})
    assert "hx-get" in fragment.content.decode()
    suggestion = write_suggestion("Hello *you*")
    assert (suggestion.role, suggestion.messages) == ("assistant", [{"role": "user", "content": "Hi"}])
    say(client, both, 1, "Hello, you.", suggestion=suggestion.pk)
    client.post(f"/dialogues/{both.pk}/finish")
    assert Demonstration.objects.get().suggestion == suggestion


def test_a_suggestion_serves_one_dialogue(client: Client, both: Dialogue, campaign: Campaign) -> None:
    client.post(f"/dialogues/{both.pk}/suggest")
    suggestion = write_suggestion("How are you?")
    assert suggestion.role == "user"
    say(client, both, 0, "How are you?", suggestion=suggestion.pk)
    client.post(f"/write/{campaign.pk}/dialogues/open", {"mode": "both_sides"})
    other = Dialogue.objects.exclude(pk=both.pk).get()
    assert say(client, other, 0, "How are you?", suggestion=suggestion.pk) == 302
    assert list(Suggestion.objects.values_list("dialogueturn__dialogue", flat=True)) == [both.pk]


def test_the_policy_answers_each_message_of_a_chat(client: Client, chat: Dialogue) -> None:
    say(client, chat, 0, "Hi")
    waiting = client.get(f"/dialogues/{chat.pk}/turns/1").content.decode()
    assert 'hx-trigger="every 1s"' in waiting
    assert client.get(f"/dialogues/{chat.pk}/turns/1?state=queued").status_code == 204
    assert say(client, chat, 2, "Are you there?") == 409
    write_suggestion("**Hello**")
    answered = client.get(f"/dialogues/{chat.pk}/turns/1?state=queued").content.decode()
    assert "<strong>Hello</strong>" in answered
    assert "hx-trigger" not in answered
    assert say(client, chat, 2, "A river?") == 302
    assert Suggestion.objects.last().messages[1] == {"role": "assistant", "content": "**Hello**"}
    assert POLICY_NAME not in client.get(f"/dialogues/{chat.pk}").content.decode()


def test_an_answer_of_a_chat_is_picked_and_sampled_anew_in_its_context(
    client: Client, chat: Dialogue
) -> None:
    for place, text in ((0, "Hi"), (2, "A river?")):
        say(client, chat, place, text)
        write_suggestion(f"Answer to {text}")
    client.post(f"/dialogues/{chat.pk}/finish")
    finished = Dialogue.objects.get()
    assert finished.picked_place in (1, 3)
    assert finished.prompt is not None
    context = [message["content"] for message in finished.prompt.messages]
    assert context == ["Hi", "Answer to Hi", "A river?"][: finished.picked_place]
    assert (finished.prompt.kind, finished.prompt.sampling) == (Kind.DIALOGUE, Sampling.QUEUED)
    assert f"/prompts/{finished.prompt.pk}" in client.get(f"/dialogues/{chat.pk}").content.decode()


def test_any_answer_of_a_chat_may_be_picked(client: Client, campaign: Campaign, chat: Dialogue) -> None:
    picked = set()
    for _chat in range(12):
        client.post(f"/write/{campaign.pk}/dialogues/open", {"mode": "chat"})
        dialogue = Dialogue.objects.latest("pk")
        for place in (0, 2):
            say(client, dialogue, place, "Hi")
            write_suggestion("Hello")
        client.post(f"/dialogues/{dialogue.pk}/finish")
        picked.add(Dialogue.objects.get(pk=dialogue.pk).picked_place)
    # Once in 2000 times, chance alone picks the same place each time.
    assert picked == {1, 3}


def test_a_failed_answer_is_asked_for_again(client: Client, chat: Dialogue) -> None:
    say(client, chat, 0, "Hi")
    write_suggestion("")
    url = f"/dialogues/{chat.pk}"
    assert "nothing to say" in client.get(f"{url}/turns/1").content.decode()
    assert client.post(f"{url}/finish").status_code == 409
    for _click in range(2):
        client.post(f"{url}/ask-again")
    write_suggestion("Hello")
    assert said(chat) == ["Hi", "Hello"]


def test_taking_a_message_back_from_a_chat_takes_its_answer_too(client: Client, chat: Dialogue) -> None:
    say(client, chat, 0, "Hi")
    url = f"/dialogues/{chat.pk}/turns"
    assert client.post(f"{url}/0/change", {"text": "Ho"}).status_code == 409
    client.post(f"{url}/0/take-back")
    assert said(chat) == []
    assert Dialogue.objects.get().draft == "Hi"
    assert say(client, chat, 0, "Hi") == 302


def test_a_dialogue_that_is_over_is_not_changed(client: Client, both: Dialogue, campaign: Campaign) -> None:
    say(client, both, 0, "Hi")
    campaign.is_open = False
    campaign.save()
    assert say(client, both, 1, "Hello!") == 409
    campaign.is_open = True
    campaign.save()
    client.post(f"/dialogues/{both.pk}/drop")
    assert Dialogue.objects.get().state == DialogueState.DROPPED
    assert say(client, both, 1, "Hello!") == 409
    assert said(both) == ["Hi"]


def test_opening_twice_opens_one_until_something_is_said(
    client: Client, both: Dialogue, campaign: Campaign
) -> None:
    url = f"/write/{campaign.pk}/dialogues/open"
    client.post(url, {"mode": "both_sides"})
    assert Dialogue.objects.count() == 1
    say(client, both, 0, "Hi")
    client.post(url, {"mode": "both_sides"})
    assert Dialogue.objects.count() == 2
    assert client.post(url, {"mode": "soliloquy"}).status_code == 422


def test_an_open_dialogue_is_linked_from_home(client: Client, both: Dialogue) -> None:
    link = f'href="/dialogues/{both.pk}"'
    assert link not in client.get("/").content.decode()
    say(client, both, 0, "Tell me of rivers")
    home = client.get("/").content.decode()
    assert link in home
    assert "Tell me of rivers" in home
    client.post(f"/dialogues/{both.pk}/drop")
    assert link not in client.get("/").content.decode()


def test_a_chat_takes_no_suggestion(client: Client, chat: Dialogue) -> None:
    answer = client.post(f"/dialogues/{chat.pk}/suggest")
    assert answer.status_code == 409, "the policy answers a chat without being asked"
    assert not Suggestion.objects.exists()


def test_a_chat_needs_a_policy(client: Client, campaign: Campaign) -> None:
    answer = client.post(f"/write/{campaign.pk}/dialogues/open", {"mode": "chat"})
    assert answer.status_code == 409
    assert "no policy yet" in answer.content.decode()
    assert not Dialogue.objects.exists()


def test_nobody_else_writes_in_a_dialogue_and_researchers_read_it(
    both: Dialogue, campaign: Campaign, lars: User, rosa: User, sten: User
) -> None:
    url = f"/dialogues/{both.pk}"
    turn_ways = [f"turns/0/{way}" for way in ("draft", "add", "change", "take-back")]
    for other in (lars, rosa):
        for way in ("suggest", "finish", "drop", "ask-again", *turn_ways):
            assert client_of(other).post(f"{url}/{way}", {"text": "Mine"}).status_code == 404
    assert client_of(lars).get(url).status_code == 404
    assert client_of(rosa).get(url).status_code == 200
    assert client_of(sten).get(f"/write/{campaign.pk}/dialogues").status_code == 404
    assert client_of(sten).post(f"/write/{campaign.pk}/dialogues/open").status_code == 404
    assert url not in client_of(lars).get(f"/write/{campaign.pk}/dialogues").content.decode()
    assert url in client_of(rosa).get(f"/write/{campaign.pk}/dialogues").content.decode()
    assert said(both) == []
