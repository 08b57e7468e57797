"""Intake: what a campaign's rules do to prompts as they come in, and an admin's say over it."""

import io
import json
from time import process_time

import pytest

from annotate import datasets
from annotate.actions import demonstrations, languages, prompts
from annotate.actions.imports import import_file
from annotate.intake import prefix_hash
from annotate.models import Campaign, IntakeDecision, Kind, Prompt, Rule, Sampling, User
from annotate.personal_data import mask
from tests.people import client_of

LETTER = "Write to anna@example.com or call +49 30 901820 about the boat."
MASKED = "Write to [email] or call [phone] about the boat."


def asked(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def write(campaign: Campaign, author: User, text: str) -> Prompt:
    return prompts.write_prompt(campaign, author, Kind.PLAIN, asked(text))


def bring(campaign: Campaign, *texts: str, **said: str) -> None:
    """Import prompts as a file has them, without completions."""
    rows = [{"id": f"p{index}", "prompt": asked(text), **said} for index, text in enumerate(texts)]
    file = io.BytesIO("".join(json.dumps(row) + "\n" for row in rows).encode())
    import_file("prompts", file, campaign, None, sample=False)


def exported(campaign: Campaign) -> list[object]:
    lines = datasets.lines("prompts", datasets.of_campaign(campaign))
    return [json.loads(line)["prompt"] for line in lines]


def rules(campaign: Campaign) -> list[tuple[str, str]]:
    """Return which rule spoke of which prompt, by the order in which they came."""
    decisions = IntakeDecision.objects.filter(campaign=campaign).order_by("prompt")
    return [(decision.rule, decision.prompt.text) for decision in decisions]


def test_a_prefix_tells_neither_case_nor_space_and_short_ones_count_whole() -> None:
    assert prefix_hash(asked("Name  a\nRiver in France"), 18) == prefix_hash(
        asked("name a river in Spain"), 18
    )
    assert prefix_hash(asked("Name a river"), 40) != prefix_hash(asked("Name a river in Spain"), 40)
    assert -(2**63) <= prefix_hash(asked("Name a river"), None) < 2**63


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (LETTER, MASKED),
        ("IBAN DE89 3704 0044 0532 0130 00, please", "IBAN [account], please"),
        ("card 4111 1111 1111 1111 ends soon", "card [card] ends soon"),
        ("SSN 536-90-4399 and 11010519491231002X", "SSN [person] and [person]"),
        ("打电话 13812345678 给他", "打电话 [phone] 给他"),
        ("from 8.8.8.8 to 192.168.0.1", "from [address] to 192.168.0.1"),
        ("call (202) 555-0143 today", "call [phone] today"),
        ("In 1789 and 2024-05-06, 3.14159265 and 1700000000 of 4111 1111 1111 1112.", None),
        ("Version 1.2.3 of @mypy at 10:30:59 costs 1,000,000", None),
    ],
)
def test_personal_data_is_known_by_its_shape_and_its_check_digits(text: str, masked: str | None) -> None:
    assert mask(text)[0] == (masked or text)


def test_masking_takes_no_time_on_hostile_text() -> None:
    began = process_time()
    for piece in ("a.", "1 ", "a@", "A1B2 ", "1-", "1.", "555-0143 "):
        mask(piece * 20_000)
    assert process_time() - began < 30


def test_a_training_prompt_is_masked_and_a_held_out_one_is_not(campaign: Campaign) -> None:
    bring(campaign, LETTER, split="train", author="tim")
    assert exported(campaign) == [asked(MASKED)]
    assert IntakeDecision.objects.get().detail == {"email": 1, "phone": 1}
    Prompt.objects.all().delete()
    bring(campaign, LETTER, split="valid", author="vera")
    assert Prompt.objects.get().text == LETTER and not IntakeDecision.objects.exists()


def test_a_masked_file_twice_adds_nothing(campaign: Campaign) -> None:
    bring(campaign, LETTER, split="train")
    bring(campaign, LETTER, split="train")
    assert Prompt.objects.count() == IntakeDecision.objects.count() == 1


def test_files_and_writers_meet_the_same_rules(campaign: Campaign, lena: User) -> None:
    campaign.longest_prompt, campaign.duplicate_prefix, campaign.prompts_per_author = 100, 20, 2
    campaign.save()
    beginning = "Name every river of "
    bring(campaign, f"{beginning}Spain", "x" * 101, f"{beginning}France", "One", "Two", author="tim")
    expected = [
        (Rule.TOO_LONG, "x" * 101),
        (Rule.DUPLICATE, f"{beginning}France"),
        (Rule.AUTHOR_LIMIT, "Two"),
    ]
    assert rules(campaign) == expected
    again = write(campaign, lena, f"{beginning}Italy")
    assert again.sampling == Sampling.SET_ASIDE
    assert again.intake_decisions.get().duplicate_of == Prompt.objects.earliest("pk")
    assert "It begins like prompt" in client_of(lena).get(f"/prompts/{again.pk}").content.decode()


def test_nobody_meets_what_is_set_aside_until_an_admin_lets_it_in(
    campaign: Campaign, ada: User, lena: User, lars: User
) -> None:
    write(campaign, lena, "Name a river.")
    twin = write(campaign, lena, "Name a  RIVER.")
    assert exported(campaign) == [asked("Name a river.")]
    assert demonstrations.left(campaign, lars) == 1
    url = f"/intake/{twin.intake_decisions.get().pk}/reverse"
    assert client_of(lars).post(url).status_code == 404
    client_of(ada).post(url)
    assert demonstrations.left(campaign, lars) == 2
    assert Prompt.objects.get(pk=twin.pk).sampling == Sampling.QUEUED
    client_of(ada).post(url.replace("reverse", "uphold"))
    assert Prompt.objects.get(pk=twin.pk).sampling == Sampling.SET_ASIDE


def test_words_come_back_while_nobody_has_worked_on_the_masked_ones(
    campaign: Campaign, ada: User, lena: User, lars: User
) -> None:
    prompt = write(campaign, lena, LETTER)
    url = f"/intake/{prompt.intake_decisions.get().pk}"
    client_of(ada).post(f"{url}/reverse")
    assert Prompt.objects.get().text == LETTER
    client_of(ada).post(f"{url}/uphold")
    assert Prompt.objects.get().text == MASKED
    demonstrations.claim_next(campaign, lars)
    assert "People have worked on this prompt" in client_of(ada).post(f"{url}/reverse").content.decode()
    assert Prompt.objects.get().text == MASKED


def test_what_comes_with_an_answer_is_never_set_aside(campaign: Campaign) -> None:
    bring(campaign, "Name a river.", "Name a river.")
    row = {"id": "p1", "prompt": asked("Name a river."), "completion": "The Rhine."}
    import_file("demonstrations", io.BytesIO(json.dumps(row).encode()), campaign, None)
    assert not Prompt.objects.filter(sampling=Sampling.SET_ASIDE).exists()
    assert IntakeDecision.objects.get().reversed_at is not None


def test_another_length_finds_other_duplicates(campaign: Campaign, rosa: User, lena: User) -> None:
    write(campaign, lena, "Name every river of France")
    page = client_of(rosa).get(f"/campaigns/{campaign.pk}/settings").context["form"].initial
    sent = {name: value for name, value in page.items() if value is not None} | {"duplicate_prefix": 20}
    assert client_of(rosa).post(f"/campaigns/{campaign.pk}/settings", sent).status_code == 302
    campaign.refresh_from_db()
    assert write(campaign, lena, "Name every river of Spain").sampling == Sampling.SET_ASIDE


def test_the_page_counts_by_rule_and_only_admins_read_what_was_masked(
    campaign: Campaign, ada: User, rosa: User, lena: User
) -> None:
    write(campaign, lena, LETTER)
    write(campaign, lena, LETTER)
    url = f"/campaigns/{campaign.pk}/intake"
    page = client_of(rosa).get(url)
    assert [counts for _rule, *counts in page.context["rules"]] == [[0, 0], [1, 0], [0, 0], [2, 0]]
    assert "anna@example.com" not in page.content.decode()
    assert "anna@example.com" in client_of(ada).get(f"{url}?rule=personal_data").content.decode()


def test_languages_are_named_afterwards_and_doubtful_ones_are_said_to_be(campaign: Campaign) -> None:
    bring(campaign, "Nenne mir bitte drei Flüsse.", "写一首关于春天的诗", "hello!")
    assert languages.name_some() == 3
    assert list(Prompt.objects.values_list("language", flat=True)) == ["de", "zh", "und"]
    assert languages.name_some() == 0
