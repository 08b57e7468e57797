"""Dialogues, few-shot prompts and suggestions as a program writes them."""

from typing import Any

from annotate.models import (
    Campaign,
    Demonstration,
    DialogueTurn,
    Kind,
    Prompt,
    Ranking,
    User,
)
from tests.annotate.api import Program
from tests.rows import POLICY_NAME, make_prompt, promoted_policy, sampled_prompt, write_suggestion

TALK = ["Hi", "Hello!", "A river?", "The Rhine."]


def opened(program: Program, campaign: Campaign, mode: str) -> str:
    """Return the address of a new dialogue."""
    promoted_policy(campaign)
    answer = program.post(f"campaigns/{campaign.pk}/dialogues", {"mode": mode})
    assert (answer.status_code, answer.json()["turns"]) == (200, [])
    return f"dialogues/{answer.json()['id']}"


def add(program: Program, path: str, place: int, text: str, **more: Any) -> Any:
    return program.post(f"{path}/turns", {"place": place, "text": text} | more).json()


def test_both_sides_are_written_and_become_demonstrations(lena: User, campaign: Campaign) -> None:
    program = Program(lena)
    path = opened(program, campaign, "both_sides")
    for place, text in enumerate(TALK):
        add(program, path, place, text)
        add(program, path, place, text)
    program.ask("PUT", f"{path}/turns/1", {"text": "Good day!"})
    taken = program.post(f"{path}/take-back", {"place": 3}).json()
    assert ([turn["text"] for turn in taken["turns"]], taken["draft"]) == (
        ["Hi", "Good day!", "A river?"],
        "The Rhine.",
    )
    assert "begun a message" in program.post(f"{path}/finish", {}).json()["detail"]
    add(program, path, 3, taken["draft"])
    assert program.post(f"{path}/finish", {"seconds": 5}).json()["state"] == "finished"
    assert set(Demonstration.objects.values_list("text", flat=True)) == {"Good day!", "The Rhine."}


def test_a_message_begins_from_a_suggestion_that_was_asked_for_here(lena: User, campaign: Campaign) -> None:
    program = Program(lena)
    path = opened(program, campaign, "both_sides")
    asked = program.post(f"{path}/suggestions").json()
    assert (asked["role"], asked["state"]) == ("user", "queued")
    early = program.post(f"{path}/turns", {"place": 0, "text": "Hi", "suggestion": asked["id"]})
    assert early.json()["fields"][0]["field"] == "suggestion"
    write_suggestion("Hi there")
    read = program.get(f"suggestions/{asked['id']}")
    assert read.json()["text"] == "Hi there" and POLICY_NAME not in read.text
    add(program, path, 0, "Hi", suggestion=asked["id"])
    assert DialogueTurn.objects.get().suggestion_id == asked["id"]


def test_a_chat_waits_for_the_policy_and_becomes_a_prompt(lena: User, campaign: Campaign) -> None:
    program = Program(lena)
    path = opened(program, campaign, "chat")
    waiting = add(program, path, 0, "A river?")["turns"][1]
    assert (waiting["text"], waiting["waits"]["state"]) == ("", "queued")
    write_suggestion("The Rhine.")
    read = program.get(path)
    assert read.json()["turns"][1] == {"place": 1, "role": "assistant", "text": "The Rhine.", "waits": None}
    assert POLICY_NAME not in read.text
    done = program.post(f"{path}/finish", {}).json()
    assert Prompt.objects.get(pk=done["prompt"]).messages == [{"role": "user", "content": "A river?"}]


def test_an_answer_that_failed_is_asked_for_again(lena: User, campaign: Campaign) -> None:
    program = Program(lena)
    path = opened(program, campaign, "chat")
    add(program, path, 0, "A river?")
    write_suggestion("  ")
    assert program.get(path).json()["turns"][1]["waits"]["state"] == "failed"
    assert program.post(f"{path}/ask-again").json()["turns"][1]["waits"]["state"] == "queued"
    assert program.post(f"{path}/drop").json()["state"] == "dropped"
    assert program.post(f"{path}/ask-again").status_code == 409


def test_a_draft_is_its_author_s_alone(lena: User, lars: User, rosa: User, campaign: Campaign) -> None:
    path = opened(Program(lena), campaign, "both_sides")
    kept = Program(lena).ask("PUT", f"{path}/draft", {"place": 0, "text": "Dear"}).json()
    assert kept["draft"] == "Dear"
    assert Program(rosa).get(path).json()["draft"] is None
    listed = f"campaigns/{campaign.pk}/dialogues"
    assert len(Program(rosa).get(listed).json()["results"]) == 1
    assert Program(lars).get(listed).json()["results"] == []


def test_a_demonstration_begins_from_a_suggestion(lena: User, campaign: Campaign) -> None:
    promoted_policy(campaign)
    make_prompt(campaign)
    program = Program(lena)
    path = f"demonstrations/{program.post(f'campaigns/{campaign.pk}/demonstrations/next').json()['id']}"
    asked = program.post(f"{path}/suggestions").json()["id"]
    write_suggestion("The Rhine.")
    program.post(f"{path}/submit", {"text": "The river Rhine.", "suggestion": asked})
    assert Demonstration.objects.get().suggestion_id == asked
    other = program.post(f"{path}/submit", {"text": "The Elbe.", "suggestion": asked + 1})
    assert other.json()["fields"][0]["field"] == "suggestion"


def test_each_pair_of_a_few_shot_prompt_is_a_prompt_with_its_demonstration(
    lena: User, campaign: Campaign
) -> None:
    pairs = [{"query": "good", "response": "gut"}, {"query": "bad", "response": "schlecht"}]
    path, body = f"campaigns/{campaign.pk}/few-shot-prompts", {"instruction": "Translate.", "pairs": pairs}
    added = Program(lena).post(path, body)
    assert added.status_code == 201, added.content
    assert [len(row["messages"]) for row in added.json()["prompts"]] == [3, 3]
    assert Prompt.objects.filter(kind=Kind.FEW_SHOT).count() == Demonstration.objects.count() == 2
    lacking = Program(lena).post(path, body | {"pairs": [pairs[0], {"query": "bad"}]}).json()
    assert [each["field"] for each in lacking["fields"]] == ["pairs[1].response"]


def test_one_ranks_a_prompt_of_one_s_own(lena: User, lars: User, campaign: Campaign) -> None:
    prompt = sampled_prompt(campaign, author=lena)
    claimed = Program(lena).post(f"prompts/{prompt.pk}/rank")
    assert claimed.json()["id"] == Ranking.objects.get().pk
    assert Program(lena).post(f"prompts/{prompt.pk}/rank").json()["id"] == claimed.json()["id"]
    assert Program(lars).post(f"prompts/{prompt.pk}/rank").status_code == 404
