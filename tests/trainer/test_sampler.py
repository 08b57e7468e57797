"""The sampler for people's prompts: the conversation as it looks from the user's side."""

from trainer.sampler import OPENING, from_the_users_side

OPENED = {"role": "user", "content": OPENING}


def said(*messages: tuple[str, str]) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in messages]


def test_it_swaps_the_sides_and_lets_a_user_speak_first() -> None:
    talk = said(("user", "Hi"), ("assistant", "Hello"))
    assert from_the_users_side(talk) == [OPENED, *said(("assistant", "Hi"), ("user", "Hello"))]


def test_it_opens_an_empty_conversation() -> None:
    assert from_the_users_side([]) == [OPENED]


def test_a_system_message_stays_in_front() -> None:
    talk = said(("system", "Be brief."), ("user", "Hi"))
    assert from_the_users_side(talk) == [talk[0], OPENED, *said(("assistant", "Hi"))]
    begun = said(("system", "Be brief."), ("assistant", "Hello"))
    assert from_the_users_side(begun) == [begun[0], *said(("user", "Hello"))]
