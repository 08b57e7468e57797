"""Writing prompts: the three kinds, what is refused, and whose split they stand in."""

import pytest

from annotate.actions import prompts
from annotate.models import Campaign, ClaimState, Demonstration, Kind, Prompt, Sampling, Split, User
from tests.people import client_of, person

FEW_SHOT = {"instruction": "Give the sentiment.", "query": ["a", "b", "c"], "response": ["x", "y", "z"]}


def test_a_single_request_waits_for_its_completions(campaign: Campaign, lena: User) -> None:
    answer = client_of(lena).post(f"/write/{campaign.pk}", {"text": "Name a river.", "category": "open_qa"})
    prompt = Prompt.objects.get()
    assert answer["Location"] == f"/prompts/{prompt.pk}"
    assert prompt.messages == [{"role": "user", "content": "Name a river."}]
    assert (prompt.kind, prompt.category, prompt.sampling) == (Kind.PLAIN, "open_qa", Sampling.QUEUED)
    assert (prompt.author, prompt.source) == (lena, "labeler")


def test_a_use_case_is_one_of_the_campaigns_list(campaign: Campaign, lena: User) -> None:
    campaign.use_cases = "Plan meals\n\n Write to customers \n"
    campaign.save()
    client, url = client_of(lena), f"/write/{campaign.pk}?kind=use_case"
    sent = {"text": "Kept words", "use_case": "Write to customers", "category": "rewrite"}
    assert client.post(url, sent).status_code == 302
    prompt = Prompt.objects.get()
    assert (prompt.use_case, prompt.category, prompt.kind) == (
        "Write to customers",
        "rewrite",
        Kind.USE_CASE,
    )
    answer = client.post(url, {**sent, "use_case": "Cheat"})
    assert answer.status_code == 422
    assert "Kept words" in answer.content.decode()


def test_without_a_list_people_name_the_use_case(campaign: Campaign, lena: User) -> None:
    client, url = client_of(lena), f"/write/{campaign.pk}?kind=use_case"
    assert client.post(url, {"text": "Rhyme.", "use_case": " "}).status_code == 422
    assert client.post(url, {"text": "Rhyme.", "use_case": "Write songs"}).status_code == 302
    assert Prompt.objects.get().use_case == "Write songs"


def test_researchers_list_use_cases_that_fit(campaign: Campaign, rosa: User) -> None:
    client, url = client_of(rosa), f"/campaigns/{campaign.pk}/settings"
    settings = {"name": "Helpful answers", "k": 4, "labelers_per_prompt": 1, "lease_minutes": 60}
    settings |= {"max_completion_tokens": 64, "temperature": 1.0, "is_open": "on", "longest_prompt": 8000}
    settings |= {"gold_percent": 0, "repeat_percent": 0, "repeat_after_items": 20, "repeat_after_days": 0}
    refused = client.post(url, {**settings, "use_cases": "x" * 201})
    assert refused.status_code == 422
    assert "at most 200 characters" in refused.content.decode()
    assert client.post(url, {**settings, "use_cases": "Plan meals"}).status_code == 302
    campaign.refresh_from_db()
    assert campaign.listed_use_cases == ["Plan meals"]


def test_its_author_says_what_a_prompt_is_like(campaign: Campaign, lena: User) -> None:
    client, url = client_of(lena), f"/write/{campaign.pk}"
    client.post(url, {"text": "Is it right?", "flags": ["moral_judgment", "ambiguous"]})
    prompt = Prompt.objects.get()
    assert prompt.flags == ["moral_judgment", "ambiguous"]
    assert "Requests moral judgment" in client.get(f"/prompts/{prompt.pk}").content.decode()
    assert client.post(url, {"text": "Is it right?", "flags": ["nonsense"]}).status_code == 422
    client.post(f"{url}/few-shot", {**FEW_SHOT, "flags": ["closed_domain"]})
    assert Prompt.objects.filter(kind=Kind.FEW_SHOT, flags=["closed_domain"]).count() == 3


def test_line_ends_are_stored_as_one_sign(campaign: Campaign, lena: User) -> None:
    client, url = client_of(lena), f"/write/{campaign.pk}"
    client.post(url, {"text": "One\r\ntwo"})
    client.post(f"{url}/few-shot", {**FEW_SHOT, "response": ["x\r\ny", "y", "z"]})
    assert Prompt.objects.order_by("pk")[0].messages[0]["content"] == "One\ntwo"
    assert Demonstration.objects.filter(text="x\ny").exists()


def test_pairs_are_previewed_while_they_are_typed(campaign: Campaign, lena: User, sten: User) -> None:
    url = f"/write/{campaign.pk}/few-shot/preview"
    page = client_of(lena).post(url, FEW_SHOT).content.decode()
    assert "3 pairs make 3 prompts" in page
    assert "The longest has 26 of 8000 characters." in page
    assert "Give the sentiment." in page
    assert "0 pairs" in client_of(lena).post(url, {}).content.decode()
    assert client_of(sten).post(url, FEW_SHOT).status_code == 404
    assert not Prompt.objects.exists()


def test_each_pair_becomes_a_prompt_with_the_others_as_its_examples(campaign: Campaign, lena: User) -> None:
    client_of(lena).post(f"/write/{campaign.pk}/few-shot", FEW_SHOT)
    first = Prompt.objects.order_by("pk")[0]
    assert [turn["content"] for turn in first.messages] == ["Give the sentiment.\n\nb", "y", "c", "z", "a"]
    assert [turn["role"] for turn in first.messages] == ["user", "assistant"] * 2 + ["user"]
    assert Prompt.objects.filter(kind=Kind.FEW_SHOT).count() == 3


def test_the_response_of_a_pair_is_its_prompts_demonstration(campaign: Campaign, lena: User) -> None:
    client_of(lena).post(f"/write/{campaign.pk}/few-shot", FEW_SHOT)
    rows = Demonstration.objects.filter(labeler=lena, state=ClaimState.SUBMITTED).order_by("prompt")
    assert list(rows.values_list("text", flat=True)) == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"query": ["a"], "response": ["x"]}, "Pairs: write at least two"),
        ({"query": ["a", "b"], "response": ["x", ""]}, "Pair 2: write both"),
        ({"instruction": " "}, "Instruction: say what is to be done"),
    ],
)
def test_an_incomplete_few_shot_prompt_is_refused_and_kept(
    campaign: Campaign, lena: User, change: dict[str, object], message: str
) -> None:
    sent = {**FEW_SHOT, "query": ["Kept words", "b"], "response": ["x", "y"], **change}
    answer = client_of(lena).post(f"/write/{campaign.pk}/few-shot", sent)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert message in page
    assert sent["query"][0] in page  # type: ignore[index]
    assert not Prompt.objects.exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [("   ", "Prompt: write what the policy is asked."), ("x" * 8001, "8001 characters are too many")],
)
def test_an_empty_or_too_long_prompt_is_refused_and_kept(
    campaign: Campaign, lena: User, text: str, message: str
) -> None:
    answer = client_of(lena).post(f"/write/{campaign.pk}", {"text": text})
    assert answer.status_code == 422
    assert message in answer.content.decode()
    assert text in answer.content.decode()
    assert not Prompt.objects.exists()


def test_only_members_of_an_open_campaign_write_in_it(campaign: Campaign, lena: User, sten: User) -> None:
    url = f"/write/{campaign.pk}"
    assert client_of(lena).get(url).status_code == 200
    assert client_of(sten).post(url, {"text": "Hello"}).status_code == 404
    campaign.is_open = False
    campaign.save()
    assert client_of(lena).post(url, {"text": "Hello"}).status_code == 404
    assert not Prompt.objects.exists()


def test_all_prompts_of_a_person_stand_in_one_split(campaign: Campaign) -> None:
    people = [person(f"author-{number}") for number in range(13)]
    for author in people * 2:
        prompts.write_prompt(campaign, author, Kind.PLAIN, [{"role": "user", "content": "Hello"}])
    splits = [set(author.prompts.values_list("split", flat=True)) for author in people]
    assert all(len(each) == 1 for each in splits)
    assert splits[0] == {Split.TRAIN}
    assert sum(each == {Split.VALID} for each in splits) == 3
