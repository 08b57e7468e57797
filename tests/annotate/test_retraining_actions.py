"""Rounds of retraining: when one is due, and what is decided; the runs end by the tests' own hand."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from annotate.actions import retraining, runs
from annotate.models import Campaign, Ranking, Retraining, Run, current_policy
from tests.bridge import campaign_with, rank
from tests.people import person

FOLDER = Path("/srv/policy")


@pytest.fixture
def campaign(db: None) -> Campaign:
    campaign = campaign_with(FOLDER, retrain_after_comparisons=12, promote_min_accuracy=0.6, promote_max_kl=5)
    rank(campaign, 2)
    return campaign


def finish(stage: str, **result: float) -> None:
    """End the newest run of a stage as its worker would."""
    run = runs.begin(Run.objects.filter(stage=stage).latest("pk").pk)
    assert run is not None
    kind = "policy" if stage == "ppo" else "reward_model"
    runs.succeed(run, kind, Path(f"/srv/{stage}"), result)


def the_round() -> Retraining:
    return Retraining.objects.get()


def test_a_round_goes_from_enough_comparisons_to_a_promoted_policy(campaign: Campaign) -> None:
    retraining.advance()
    finish("reward", accuracy=0.7, accuracy_low=0.62, accuracy_high=0.78)
    retraining.advance()
    finish("ppo", kl=2.0)
    retraining.advance()
    assert the_round().state == "promoted"
    assert "70.0% (95 % interval 62.0% to 78.0%)" in the_round().decision
    assert the_round().due_because == "12 of 12 new comparisons"
    policy = current_policy(campaign)
    assert policy is not None
    assert policy.location == "/srv/ppo"


def test_too_few_comparisons_or_hours_start_nothing(campaign: Campaign) -> None:
    campaign.retrain_after_comparisons, campaign.retrain_after_hours = 13, 24
    campaign.save()
    retraining.advance()
    assert not Retraining.objects.exists()
    assert retraining.due(campaign).words == "12 of 13 new comparisons; 0.0 of 24 hours"


def test_hours_alone_make_a_round_due_once_there_is_anything_new(campaign: Campaign) -> None:
    campaign.retrain_after_comparisons, campaign.retrain_after_hours = None, 2
    campaign.created_at = timezone.now() - timedelta(hours=3)
    assert retraining.due(campaign).is_due
    Retraining.objects.create(campaign=campaign, state="failed", due_because="before")
    Retraining.objects.update(created_at=campaign.created_at)
    assert retraining.due(campaign).is_due
    Ranking.objects.update(submitted_at=timezone.now() - timedelta(hours=4))
    assert not retraining.due(campaign).is_due


def test_comparisons_count_once(campaign: Campaign) -> None:
    Retraining.objects.create(campaign=campaign, state="declined", due_because="before")
    assert retraining.due(campaign).comparisons_new == 0


def test_held_out_labelers_make_no_round_due(campaign: Campaign) -> None:
    lars = person("lars")
    Ranking.objects.filter(pk=Ranking.objects.latest("pk").pk).update(labeler=lars)
    assert retraining.due(campaign).comparisons_new == 12
    campaign.held_out_labelers.add(lars)
    assert retraining.due(campaign).comparisons_new == 6


def test_a_poor_reward_model_is_declined_before_ppo(campaign: Campaign) -> None:
    retraining.advance()
    finish("reward", accuracy=0.55)
    retraining.advance()
    assert the_round().state == "declined"
    assert "55.0%, and at least 60.0%" in the_round().decision
    assert not Run.objects.filter(stage="ppo").exists()


def test_a_policy_that_strayed_is_declined(campaign: Campaign) -> None:
    before = current_policy(campaign)
    retraining.advance()
    finish("reward", accuracy=0.7)
    retraining.advance()
    finish("ppo", kl=5.1)
    retraining.advance()
    assert the_round().state == "declined"
    assert "KL 5.10 nats" in the_round().decision
    assert current_policy(campaign) == before


def test_a_failed_run_fails_its_round_with_the_reason(campaign: Campaign) -> None:
    retraining.advance()
    run = runs.begin(Run.objects.get().pk)
    assert run is not None
    runs.fail(run, "no space left on device")
    retraining.advance()
    assert the_round().state == "failed"
    assert "no space left on device" in the_round().decision


def test_two_beats_start_one_round_and_take_each_step_once(campaign: Campaign) -> None:
    retraining.advance()
    assert retraining.start_round(campaign, "again", None) is None
    with pytest.raises(IntegrityError), transaction.atomic():
        Retraining.objects.create(campaign=campaign, due_because="a second at once")
    finish("reward", accuracy=0.7)
    seen_by_both = Retraining.objects.select_related("campaign", "reward_run").get()
    retraining.advance_round(seen_by_both)
    retraining.advance_round(seen_by_both)
    assert Run.objects.filter(stage="ppo").count() == 1


def test_a_refused_start_ends_the_round_and_says_why(campaign: Campaign) -> None:
    campaign.promotions.all().delete()
    retraining.advance()
    assert the_round().state == "failed"
    assert "no policy yet" in the_round().decision
