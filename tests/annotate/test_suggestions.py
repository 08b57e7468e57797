"""Suggestions: asked for, held while they are written, and how they end; the rows, without a worker."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from annotate.actions import suggestions
from annotate.errors import Refused
from annotate.models import Campaign, Checkpoint, Suggestion, SuggestionState, User
from annotate.tasks import ring_for_waiting_prompts
from tests.bridge import campaign_with
from tests.people import make_campaign

RIVER = [{"role": "user", "content": "Name a river."}]


@pytest.fixture
def campaign(lena: User, lars: User) -> Campaign:
    campaign = campaign_with(Path("/srv/policy"))
    campaign.labelers.set([lena, lars])
    return campaign


def store(suggestion: Suggestion, text: str) -> Suggestion:
    policy = Checkpoint.objects.get(name="tiny")
    told = {"policy": policy, "token_count": 3, "finish_reason": "stop", "engine": "vllm"}
    suggestions.store(suggestion, text=text, **told)
    return now(suggestion)


def now(suggestion: Suggestion) -> Suggestion:
    return Suggestion.objects.get(pk=suggestion.pk)


def test_the_same_question_is_asked_once_until_it_is_answered(campaign: Campaign, lena: User) -> None:
    first = suggestions.ask(campaign, lena, RIVER)
    assert suggestions.ask(campaign, lena, RIVER) == first
    assert suggestions.ask(campaign, lena, RIVER, role="user") != first
    suggestions.claim_batch()
    store(first, "The Rhine.")
    again = suggestions.ask(campaign, lena, RIVER)
    assert suggestions.seed_of(again) != suggestions.seed_of(first)


def test_two_people_ask_apart(campaign: Campaign, lena: User, lars: User) -> None:
    assert suggestions.ask(campaign, lena, RIVER) != suggestions.ask(campaign, lars, RIVER)


def test_a_campaign_without_a_policy_suggests_nothing(lena: User) -> None:
    with pytest.raises(Refused, match="no policy yet"):
        suggestions.ask(make_campaign("Bare"), lena, RIVER)


def test_asking_has_a_limit_an_hour(
    campaign: Campaign, lena: User, lars: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suggestions, "MOST_AN_HOUR", 1)
    first = suggestions.ask(campaign, lena, RIVER)
    with pytest.raises(Refused, match="1 times within an hour"):
        suggestions.ask(campaign, lena, [*RIVER, *RIVER])
    suggestions.ask(campaign, lars, RIVER)
    Suggestion.objects.filter(pk=first.pk).update(created_at=timezone.now() - timedelta(hours=2))
    suggestions.ask(campaign, lena, [*RIVER, *RIVER])


def test_a_batch_is_of_the_campaign_that_waited_longest(campaign: Campaign, lena: User) -> None:
    other = campaign_with(Path("/srv/policy"), "Other")
    first = suggestions.ask(other, lena, RIVER)
    suggestions.ask(campaign, lena, RIVER)
    third = suggestions.ask(other, lena, RIVER, role="user")
    assert suggestions.claim_batch() == [first, third]
    assert [each.campaign for each in suggestions.claim_batch()] == [campaign]
    assert suggestions.claim_batch() == []


def test_a_text_ends_it_and_no_text_fails_it(campaign: Campaign, lena: User) -> None:
    suggestions.ask(campaign, lena, RIVER)
    suggestions.ask(campaign, lena, RIVER, role="user")
    said, silent = suggestions.claim_batch()
    written = store(said, " The\x00 Rhine.\n")
    assert (written.state, written.text) == (SuggestionState.DONE, "The Rhine.")
    assert written.lease_until is None
    failed = store(silent, " \n")
    assert failed.state == SuggestionState.FAILED
    assert "nothing to say" in failed.reason


def test_what_was_written_once_stays(campaign: Campaign, lena: User) -> None:
    suggestions.ask(campaign, lena, RIVER)
    (suggestion,) = suggestions.claim_batch()
    store(suggestion, "first")
    assert store(suggestion, "second").text == "first"


def test_the_third_failed_attempt_is_the_last(campaign: Campaign, lena: User) -> None:
    suggestion = suggestions.ask(campaign, lena, RIVER)
    for _attempt in range(3):
        assert now(suggestion).state == SuggestionState.QUEUED
        suggestions.put_back(suggestions.claim_batch(), "the engine ended")
    assert (now(suggestion).state, now(suggestion).reason) == (SuggestionState.FAILED, "the engine ended")


def test_a_lost_workers_suggestion_is_taken_again_and_a_renewed_one_is_not(
    campaign: Campaign, lena: User
) -> None:
    suggestions.ask(campaign, lena, RIVER)
    suggestions.ask(campaign, lena, RIVER, role="user")
    held, lost = suggestions.claim_batch()
    Suggestion.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    suggestions.renew_leases([held])
    ring_for_waiting_prompts()
    assert (now(held).state, now(lost).state) == (SuggestionState.RUNNING, SuggestionState.QUEUED)
    assert suggestions.claim_batch() == [lost]


def test_a_stopping_worker_gives_it_back_unblamed(campaign: Campaign, lena: User) -> None:
    suggestion = suggestions.ask(campaign, lena, RIVER)
    suggestions.give_back(suggestions.claim_batch())
    assert (now(suggestion).state, now(suggestion).attempts) == (SuggestionState.QUEUED, 0)
