"""The researcher's way in a real browser: start a run, watch its plots, cancel it."""

import pytest
from playwright.sync_api import Page, expect

from annotate.models import Campaign, Checkpoint, CheckpointKind, Run, RunMetric, RunState, User
from tests.browser.conftest import enter
from tests.rows import make_prompt

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def judge(campaign: Campaign) -> Checkpoint:
    make_prompt(campaign)
    Checkpoint.objects.create(kind=CheckpointKind.POLICY, name="base-tiny", stage="base", location="/tiny")
    return Checkpoint.objects.create(
        kind=CheckpointKind.REWARD_MODEL, name="judge", campaign=campaign, location="/judge"
    )


def report(run: Run, step: int, **values: float) -> None:
    """Do what the training worker does at one step of eight."""
    RunMetric.objects.create(run=run, step=step, values=values)
    Run.objects.filter(pk=run.pk).update(state=RunState.RUNNING, step=step, total_steps=8)


def start_ppo(page: Page, campaign: Campaign, rosa: User) -> Run:
    enter(page, rosa)
    page.goto(f"/campaigns/{campaign.pk}/runs/start/ppo")
    page.get_by_label("Reward model").select_option(label="judge")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_text("Queued", exact=True)).to_be_visible()
    return Run.objects.get()


def test_a_run_is_started_watched_and_cancelled(
    page: Page, campaign: Campaign, rosa: User, judge: Checkpoint
) -> None:
    run = start_ppo(page, campaign, rosa)
    report(run, 1, kl=0.0, score=-0.25)
    report(run, 2, kl=0.125, score=0.5, loss=0.75)
    expect(page.get_by_role("row", name="kl 0.125 2")).to_be_visible()
    expect(page.get_by_text("Step 2 of 8")).to_be_visible()
    for title in ("Loss", "KL", "Score"):
        expect(page.locator(".plots .u-title", has_text=title)).to_be_visible()
    report(run, 3, kl=0.25, score=0.625, loss=0.5, valid_kl=0.2, valid_score=0.5, valid_second_score=0.4)
    expect(page.get_by_role("row", name="kl 0.25 3")).to_be_visible()
    expect(page.locator(".plots")).to_have_attribute("data-steps", "3")
    over = page.locator(".plots .uplot").filter(has_text="Score over KL")
    expect(over.locator(".u-legend th")).to_have_text(["valid_kl", "valid_score", "valid_second_score"])
    page.get_by_text("Cancel this run").click()
    page.get_by_role("button", name="Yes, cancel it").click()
    expect(page.get_by_text("Stopping")).to_be_visible()
    run.refresh_from_db()
    assert run.cancel_requested_at is not None


def test_a_wrong_setting_is_marked_and_what_was_typed_stays(
    page: Page, campaign: Campaign, rosa: User, judge: Checkpoint
) -> None:
    enter(page, rosa)
    page.goto(f"/campaigns/{campaign.pk}/runs/start/ppo")
    page.get_by_label("policy_lr").fill("0")
    page.get_by_label("steps", exact=True).fill("7")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_label("policy_lr")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("steps", exact=True)).to_have_value("7")
    assert not Run.objects.exists()


def test_a_finished_run_shows_its_result_without_a_reload(
    page: Page, campaign: Campaign, rosa: User, judge: Checkpoint
) -> None:
    run = start_ppo(page, campaign, rosa)
    report(run, 8, kl=0.5)
    expect(page.get_by_text("Step 8 of 8")).to_be_visible()
    Run.objects.filter(pk=run.pk).update(state="succeeded", finished_at=run.created_at, result={"kl": 0.5})
    expect(page.get_by_role("heading", name="Result")).to_be_visible()
    expect(page.get_by_text("Cancel this run")).to_have_count(0)
    expect(page.locator(".plots canvas")).to_have_count(1)
