"""Holding prompts while they are sampled: the rows, without a worker."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.db import transaction
from django.utils import timezone

from annotate.actions import sampling
from annotate.errors import Refused
from annotate.models import Campaign, Checkpoint, Prompt, Sampling, User
from tests.bridge import ask, campaign_with
from tests.people import make_campaign

FOLDER = Path("/srv/policy")


@pytest.fixture
def campaign(db: None) -> Campaign:
    return campaign_with(FOLDER)


def store(prompt: Prompt, place: int, text: str) -> None:
    policy = Checkpoint.objects.get(name="tiny")
    told = {"policy": policy, "token_count": 3, "finish_reason": "stop", "engine": "vllm"}
    sampling.store_completion(prompt, place, text=text, **told)


def state_of(prompt: Prompt) -> str:
    return Prompt.objects.get(pk=prompt.pk).sampling


def test_campaigns_take_turns(campaign: Campaign) -> None:
    other = campaign_with(FOLDER, "Other")
    ask(campaign, 20)
    ask(other, 1)
    first = sampling.claim_batch()
    second = sampling.claim_batch(first[0].campaign_id)
    third = sampling.claim_batch(second[0].campaign_id)
    assert [batch[0].campaign for batch in (first, second, third)] == [campaign, other, campaign]
    assert [len(batch) for batch in (first, second, third)] == [sampling.BATCH, 1, sampling.BATCH]


def test_what_people_just_wrote_comes_before_files(campaign: Campaign) -> None:
    *imported, written = ask(campaign, 10)
    for prompt in imported:
        prompt.source_id = f"line-{prompt.pk}"
    Prompt.objects.bulk_update(imported, ["source_id"])
    assert sampling.claim_batch()[0] == written


def test_a_campaign_without_a_policy_is_not_served(campaign: Campaign) -> None:
    (waiting,) = ask(make_campaign("Bare"), 1)
    assert sampling.claim_batch() == []
    sampling.explain_waiting()
    assert "no policy yet" in Prompt.objects.get(pk=waiting.pk).sampling_reason


def test_an_empty_completion_is_kept_and_nul_is_not(campaign: Campaign) -> None:
    ask(campaign, 1)
    (prompt,) = sampling.claim_batch()
    for place, text in enumerate(["", "a\x00b", "c"]):
        store(prompt, place, text)
    assert state_of(prompt) == Sampling.RUNNING
    store(prompt, 3, "d")
    assert state_of(prompt) == Sampling.SAMPLED
    assert list(prompt.completions.values_list("text", flat=True)) == ["", "ab", "c", "d"]


def test_a_place_is_stored_once(campaign: Campaign) -> None:
    ask(campaign, 1)
    (prompt,) = sampling.claim_batch()
    store(prompt, 0, "first")
    with transaction.atomic():
        store(prompt, 0, "second")
    assert list(prompt.completions.values_list("text", flat=True)) == ["first"]
    assert sampling.missing_places(prompt) == [1, 2, 3]


def test_the_third_failed_attempt_is_the_last_until_someone_retries(campaign: Campaign, rosa: User) -> None:
    (prompt,) = ask(campaign, 1)
    for _attempt in range(3):
        assert state_of(prompt) == Sampling.QUEUED
        sampling.put_back(sampling.claim_batch(), "the engine ended")
    assert state_of(prompt) == Sampling.FAILED
    sampling.retry(prompt, rosa)
    assert state_of(prompt) == Sampling.QUEUED
    with pytest.raises(Refused, match="failed"):
        sampling.retry(prompt, rosa)


def test_a_lease_that_runs_out_frees_the_prompt_and_a_renewed_one_does_not(campaign: Campaign) -> None:
    ask(campaign, 2)
    held, lost = sampling.claim_batch()
    Prompt.objects.update(sampling_lease_until=timezone.now() - timedelta(seconds=1))
    sampling.renew_leases([held])
    assert sampling.release_lost() == 1
    assert (state_of(held), state_of(lost)) == (Sampling.RUNNING, Sampling.QUEUED)


def test_a_stopping_worker_gives_its_prompts_back_unblamed(campaign: Campaign) -> None:
    (prompt,) = ask(campaign, 1)
    sampling.give_back(sampling.claim_batch())
    assert Prompt.objects.get(pk=prompt.pk).sampling_attempts == 0
    assert state_of(prompt) == Sampling.QUEUED
