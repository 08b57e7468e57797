"""Demonstrations: claiming, drafting, submitting and skipping over HTTP."""

import pytest
from django.test import Client
from django.utils import timezone

from annotate.actions import demonstrations
from annotate.models import Campaign, ClaimState, Demonstration, Suggestion, User
from tests.people import client_of
from tests.rows import POLICY_NAME, make_prompt, promoted_policy, sampled_prompt, write_suggestion


@pytest.fixture
def demonstration(campaign: Campaign, lena: User) -> Demonstration:
    sampled_prompt(campaign)
    claimed = demonstrations.claim_next(campaign, lena)
    assert claimed is not None
    return claimed


@pytest.fixture
def client(lena: User) -> Client:
    return client_of(lena)


def test_others_prompts_come_first_and_own_ones_are_allowed(campaign: Campaign, lena: User) -> None:
    own = make_prompt(campaign, author=lena)
    other = make_prompt(campaign)
    client = client_of(lena)
    client.post(f"/demonstrate/{campaign.pk}")
    first = Demonstration.objects.get()
    assert first.prompt == other
    client.post(f"/demonstrations/{first.pk}/submit", {"text": "The Rhine."})
    assert Demonstration.objects.get(state=ClaimState.CLAIMED).prompt == own


def test_the_page_does_not_name_the_policy(client: Client, demonstration: Demonstration) -> None:
    page = client.get(f"/demonstrations/{demonstration.pk}").content.decode()
    assert "Name a river." in page
    assert POLICY_NAME not in page


def test_a_draft_is_kept_and_comes_back(client: Client, demonstration: Demonstration) -> None:
    url = f"/demonstrations/{demonstration.pk}"
    assert client.post(f"{url}/draft", {"text": "The Rh", "seconds": "4"}).status_code == 204
    assert "The Rh</textarea>" in client.get(url).content.decode()


def test_it_submits_and_the_same_text_again_changes_nothing(
    client: Client, demonstration: Demonstration
) -> None:
    url = f"/demonstrations/{demonstration.pk}/submit"
    assert client.post(url, {"text": " The Rhine.\n"})["Location"] == "/"
    before = Demonstration.objects.get()
    assert (before.state, before.text) == (ClaimState.SUBMITTED, "The Rhine.")
    client.post(url, {"text": "The Rhine."})
    assert Demonstration.objects.get().submitted_at == before.submitted_at


@pytest.mark.parametrize(
    ("text", "message"), [(" ", "Demonstration: write"), ("x" * 20_001, "20001 characters")]
)
def test_an_empty_or_too_long_text_is_refused(
    client: Client, demonstration: Demonstration, text: str, message: str
) -> None:
    answer = client.post(f"/demonstrations/{demonstration.pk}/submit", {"text": text})
    assert answer.status_code == 422
    assert message in answer.content.decode()
    assert text in answer.content.decode()
    assert Demonstration.objects.get().state == ClaimState.CLAIMED


def test_a_frozen_demonstration_cannot_be_changed(client: Client, demonstration: Demonstration) -> None:
    url = f"/demonstrations/{demonstration.pk}/submit"
    client.post(url, {"text": "The Rhine."})
    Demonstration.objects.update(frozen_at=timezone.now())
    assert client.post(url, {"text": "The Po."}).status_code == 409
    assert Demonstration.objects.get().text == "The Rhine."


def test_skipping_takes_a_reason(client: Client, demonstration: Demonstration) -> None:
    url = f"/demonstrations/{demonstration.pk}/skip"
    assert client.post(url, {"kind": "other", "reason": "x" * 301}).status_code == 422
    client.post(url, {"kind": "expertise"})
    assert Demonstration.objects.get().state == ClaimState.SKIPPED


@pytest.fixture
def suggestion(demonstration: Demonstration, lena: User) -> Suggestion:
    """What the sampling worker wrote when it was asked for this demonstration."""
    promoted_policy(demonstration.prompt.campaign)
    client_of(lena).post(f"/demonstrations/{demonstration.pk}/suggest", headers={"HX-Request": "true"})
    return write_suggestion("The *Rhone*.")


def test_a_suggestion_is_watched_until_it_is_there(
    client: Client, demonstration: Demonstration, suggestion: Suggestion
) -> None:
    url = f"/suggestions/{suggestion.pk}"
    Suggestion.objects.update(state="running")
    waiting = client.get(url).content.decode()
    assert 'hx-trigger="every 1s"' in waiting
    assert "Being written" in waiting
    assert client.get(f"{url}?state=running").status_code == 204
    Suggestion.objects.update(state="done")
    for page in (f"{url}?state=running", f"/demonstrations/{demonstration.pk}"):
        shown = client.get(page).content.decode()
        assert "The <em>Rhone</em>." in shown
        assert POLICY_NAME not in shown
    Suggestion.objects.update(state="failed", reason="The prompt is too long.")
    failed = client.get(url).content.decode()
    assert "No suggestion: The prompt is too long." in failed
    assert "hx-trigger" not in failed


def test_a_demonstration_says_which_suggestion_it_began_from(
    client: Client, demonstration: Demonstration, suggestion: Suggestion
) -> None:
    url = f"/demonstrations/{demonstration.pk}"
    client.post(f"{url}/draft", {"text": "The Rhone", "suggestion": suggestion.pk})
    assert f'name="suggestion" value="{suggestion.pk}"' in client.get(url).content.decode()
    client.post(f"{url}/submit", {"text": "The Rhine.", "suggestion": suggestion.pk})
    assert Demonstration.objects.get().suggestion == suggestion


def test_a_suggestion_for_another_prompt_or_person_is_not_recorded(
    client: Client, demonstration: Demonstration, suggestion: Suggestion, lars: User
) -> None:
    url = f"/demonstrations/{demonstration.pk}/draft"
    for change in ({"asked_by": lars}, {"asked_by": demonstration.labeler, "prompt": None}):
        Suggestion.objects.update(**change)
        client.post(url, {"text": "The Rhone", "suggestion": suggestion.pk})
        assert Demonstration.objects.get().suggestion is None
    assert client.post(url, {"text": "The Rhone", "suggestion": "x"}).status_code == 204


def test_nobody_reads_anothers_suggestion_or_asks_in_their_name(
    demonstration: Demonstration, suggestion: Suggestion, lars: User, rosa: User
) -> None:
    for other in (lars, rosa):
        assert client_of(other).get(f"/suggestions/{suggestion.pk}").status_code == 404
        assert client_of(other).post(f"/demonstrations/{demonstration.pk}/suggest").status_code == 404
    assert Suggestion.objects.count() == 1


def test_without_a_policy_the_page_says_that_nothing_can_be_suggested(
    client: Client, demonstration: Demonstration
) -> None:
    answer = client.post(f"/demonstrations/{demonstration.pk}/suggest", headers={"HX-Request": "true"})
    assert answer.status_code == 409
    assert "no policy yet" in answer.content.decode()


def test_nobody_else_reads_or_writes_a_demonstration(
    campaign: Campaign, demonstration: Demonstration, lars: User, sten: User
) -> None:
    client = client_of(lars)
    assert client.get(f"/demonstrations/{demonstration.pk}").status_code == 404
    for way in ("draft", "submit", "skip"):
        assert client.post(f"/demonstrations/{demonstration.pk}/{way}", {"text": "Mine"}).status_code == 404
    assert client_of(sten).post(f"/demonstrate/{campaign.pk}").status_code == 404
    assert Demonstration.objects.get().text == ""


def test_reading_does_not_post_and_posting_does_not_read(
    client: Client, demonstration: Demonstration
) -> None:
    assert client.post(f"/demonstrations/{demonstration.pk}").status_code == 405
    for way in ("draft", "submit", "skip"):
        assert client.get(f"/demonstrations/{demonstration.pk}/{way}").status_code == 405
    assert client.get(f"/demonstrate/{demonstration.prompt.campaign_id}").status_code == 405
