"""A person's prompts, and one prompt while its completions arrive."""

import pytest

from annotate.models import Campaign, Completion, Prompt, Sampling, User
from tests.people import client_of
from tests.rows import POLICY_NAME, make_policy, make_prompt, sampled_prompt


def test_it_lists_a_persons_own_prompts_alone(campaign: Campaign, lena: User, lars: User) -> None:
    make_prompt(campaign, "Mine to see", author=lena)
    make_prompt(campaign, "His to see", author=lars)
    page = client_of(lena).get("/prompts").content.decode()
    assert "Mine to see" in page
    assert "His to see" not in page


def test_it_says_how_many_completions_are_there_and_asks_again(campaign: Campaign, lena: User) -> None:
    prompt = make_prompt(campaign, author=lena, sampling=Sampling.QUEUED)
    Completion.objects.create(prompt=prompt, policy=make_policy(campaign), place=0, text="**Rhine**")
    page = client_of(lena).get(f"/prompts/{prompt.pk}", headers={"HX-Request": "true"}).content.decode()
    assert "1 of 4 completions" in page
    assert "<strong>Rhine</strong>" in page
    assert "hx-get" in page
    assert "<html" not in page


@pytest.mark.parametrize("end", [Sampling.SAMPLED, Sampling.FAILED])
def test_it_stops_asking_when_sampling_has_ended(campaign: Campaign, lena: User, end: Sampling) -> None:
    prompt = make_prompt(campaign, author=lena, sampling=end)
    assert "hx-get" not in client_of(lena).get(f"/prompts/{prompt.pk}").content.decode()


def test_a_failure_shows_its_reason_and_can_be_retried(campaign: Campaign, lena: User) -> None:
    prompt = make_prompt(campaign, author=lena, sampling=Sampling.FAILED, sampling_reason="Too long by far.")
    client = client_of(lena)
    assert "Too long by far." in client.get(f"/prompts/{prompt.pk}").content.decode()
    assert client.get(f"/prompts/{prompt.pk}/retry").status_code == 405
    client.post(f"/prompts/{prompt.pk}/retry")
    assert Prompt.objects.get().sampling == Sampling.QUEUED
    assert client.post(f"/prompts/{prompt.pk}/retry").status_code == 409


def test_policy_and_engine_are_named_to_researchers_alone(campaign: Campaign, lena: User, rosa: User) -> None:
    prompt = sampled_prompt(campaign, author=lena)
    for word in (POLICY_NAME, "vllm 0.32.0"):
        assert word in client_of(rosa).get(f"/prompts/{prompt.pk}").content.decode()
        assert word not in client_of(lena).get(f"/prompts/{prompt.pk}").content.decode()


def test_others_prompts_do_not_exist_for_a_labeler(campaign: Campaign, lena: User, lars: User) -> None:
    prompt = sampled_prompt(campaign, author=lena)
    client = client_of(lars)
    assert client.get(f"/prompts/{prompt.pk}").status_code == 404
    assert client.post(f"/prompts/{prompt.pk}/retry").status_code == 404
    assert client.post(f"/prompts/{prompt.pk}/rank").status_code == 404
