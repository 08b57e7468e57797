"""Checkpoints: what each grew from, and making a policy a campaign's current one."""

import pytest

from annotate.models import Campaign, Checkpoint, CheckpointKind, Promotion, Run, User, current_policy
from tests.people import client_of


@pytest.fixture
def base() -> Checkpoint:
    return Checkpoint.objects.create(kind=CheckpointKind.POLICY, name="base", location="/base")


@pytest.fixture
def better(campaign: Campaign, base: Checkpoint) -> Checkpoint:
    checkpoint = Checkpoint.objects.create(
        kind=CheckpointKind.POLICY,
        name="ppo 9",
        campaign=campaign,
        parent=base,
        stage="ppo",
        location="/ppo-9",
        summary={"kl": 1.5, "samples": [{"prompt": "Hi", "completion": "Hello <there>"}]},
    )
    Run.objects.create(campaign=campaign, stage="ppo", checkpoint=checkpoint)
    return checkpoint


def test_the_page_shows_what_it_grew_from_and_its_numbers(rosa: User, better: Checkpoint) -> None:
    text = client_of(rosa).get(f"/checkpoints/{better.pk}").text
    assert f'← <a href="/checkpoints/{better.parent_id}">base</a>' in text
    assert "<dt>kl</dt><dd>1.5</dd>" in text
    assert "Hello &lt;there&gt;" in text
    assert f'<a href="/runs/{better.made_by.pk}">PPO {better.made_by.pk}</a>' in text


def test_a_policy_becomes_current_with_its_reason_and_back(
    rosa: User, campaign: Campaign, base: Checkpoint, better: Checkpoint
) -> None:
    client = client_of(rosa)
    client.post(f"/checkpoints/{better.pk}/promote/{campaign.pk}", {"reason": "Shorter answers"})
    assert current_policy(campaign) == better
    client.post(f"/checkpoints/{base.pk}/promote/{campaign.pk}", {"reason": "It rambled"})
    assert current_policy(campaign) == base
    assert list(Promotion.objects.values_list("reason", "promoted_by__username")) == [
        ("It rambled", "rosa"),
        ("Shorter answers", "rosa"),
    ]
    assert "Go back to it" in client.get(f"/checkpoints/{better.pk}").text


def test_a_promotion_needs_a_reason(rosa: User, campaign: Campaign, better: Checkpoint) -> None:
    answer = client_of(rosa).post(f"/checkpoints/{better.pk}/promote/{campaign.pk}", {"reason": ""})
    assert answer.status_code == 422
    assert "This field is required" in answer.text
    assert current_policy(campaign) is None


def test_a_reward_model_cannot_be_promoted(rosa: User, campaign: Campaign) -> None:
    judge = Checkpoint.objects.create(
        kind=CheckpointKind.REWARD_MODEL, name="judge", campaign=campaign, location="/judge"
    )
    answer = client_of(rosa).post(f"/checkpoints/{judge.pk}/promote/{campaign.pk}", {"reason": "Why not"})
    assert answer.status_code == 409
    assert "only a policy can be promoted" in answer.text
    assert "Make it current" not in client_of(rosa).get(f"/checkpoints/{judge.pk}").text
