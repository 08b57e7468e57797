"""Starting a run from its form, and the page that shows how it goes."""

import pytest
from django.utils import timezone

from annotate.models import Campaign, Checkpoint, CheckpointKind, Prompt, Run, RunMetric, RunState, User
from annotate.run_forms import StartForm
from tests.people import client_of
from tests.rows import make_prompt


@pytest.fixture
def policy(campaign: Campaign) -> Checkpoint:
    return Checkpoint.objects.create(
        kind=CheckpointKind.POLICY, name="base-tiny", stage="base", location="/tiny"
    )


@pytest.fixture
def run(campaign: Campaign, policy: Checkpoint) -> Run:
    return Run.objects.create(campaign=campaign, stage="reward", policy=policy, config={"lr": 3e-5})


def typed(campaign: Campaign, stage: str, **changes: object) -> dict[str, object]:
    """Return what a browser sends for the small preset, with some fields changed."""
    form = StartForm(campaign, stage, "small", Checkpoint.objects.all())
    sent = {field.html_name: field.value() for field in form}
    sent = {name: value for name, value in sent.items() if value is not None and value is not False}
    sent |= {f"config-{name}": value for name, value in changes.items()}
    sent["policy"] = Checkpoint.objects.get(name="base-tiny").pk
    return sent


def test_each_stage_offers_the_presets_that_it_has(rosa: User, campaign: Campaign) -> None:
    start = f"/campaigns/{campaign.pk}/runs/start"
    page = client_of(rosa).get(f"{start}/sft?preset=ppo_start").content.decode()
    assert 'href="?preset=ppo_start" aria-current="true"' in page, "SFT's third preset is not offered"
    answer = client_of(rosa).get(f"{start}/reward?preset=ppo_start")
    assert answer.status_code == 404, "the reward stage has no such preset"


def test_it_queues_a_run_with_the_config_as_typed(rosa: User, campaign: Campaign, policy: Checkpoint) -> None:
    make_prompt(campaign, "Name a lake.")
    Checkpoint.objects.create(
        kind=CheckpointKind.REWARD_MODEL, name="judge", campaign=campaign, location="/judge"
    )
    sent = typed(campaign, "ppo", kl_coef=0.05, steps=3)
    sent["reward_model"] = Checkpoint.objects.get(name="judge").pk
    answer = client_of(rosa).post(f"/campaigns/{campaign.pk}/runs/start/ppo", sent)
    run = Run.objects.get()
    assert answer.url == f"/runs/{run.pk}"
    assert (run.state, run.config["kl_coef"], run.config["steps"]) == (RunState.QUEUED, 0.05, 3)
    assert (run.policy, run.created_by) == (policy, rosa)
    assert run.config["minibatches"] == 2


def test_ppo_takes_a_second_judge_other_than_the_first(
    rosa: User, campaign: Campaign, policy: Checkpoint
) -> None:
    make_prompt(campaign, "Name a lake.")
    first, second = (
        Checkpoint.objects.create(kind="reward_model", name=name, campaign=campaign, location=f"/{name}")
        for name in ("judge", "second")
    )
    start = f"/campaigns/{campaign.pk}/runs/start/ppo"
    sent = typed(campaign, "ppo") | {"reward_model": first.pk, "second_judge": first.pk}
    refused = client_of(rosa).post(start, sent)
    assert refused.status_code == 422 and 'id="id_second_judge_error"' in refused.text
    answer = client_of(rosa).post(start, sent | {"second_judge": second.pk})
    assert Run.objects.get().second_judge == second
    page = client_of(rosa).get(answer.url).text
    assert f'<dt>Second judge</dt><dd><a href="/checkpoints/{second.pk}">second</a>' in page


def test_the_headline_tells_accuracy_with_lengths_balanced_too(rosa: User, run: Run) -> None:
    said = {"accuracy": 0.6, "accuracy_low": 0.5, "accuracy_high": 0.7, "length_balanced_accuracy": 0.55}
    Run.objects.filter(pk=run.pk).update(state=RunState.SUCCEEDED, finished_at=timezone.now(), result=said)
    page = client_of(rosa).get(f"/runs/{run.pk}").text
    assert "interval 0.500 to 0.700; 0.550 where longer and shorter answers won equally often" in page


def test_a_setting_out_of_range_is_named_and_kept(rosa: User, campaign: Campaign, policy: Checkpoint) -> None:
    url = f"/campaigns/{campaign.pk}/runs/start/reward"
    answer = client_of(rosa).post(url, typed(campaign, "reward", batch_size=0, lr="fast"))
    assert answer.status_code == 422
    assert 'id="id_config-batch_size_error"' in answer.text
    assert 'id="id_config-lr_error"' in answer.text
    assert 'value="fast"' in answer.text
    assert not Run.objects.exists()


def test_a_bound_that_is_itself_too_low_is_named(rosa: User, campaign: Campaign, policy: Checkpoint) -> None:
    make_prompt(campaign)
    url = f"/campaigns/{campaign.pk}/runs/start/reward"
    answer = client_of(rosa).post(url, typed(campaign, "reward", lr=0))
    assert answer.status_code == 422
    assert 'id="id_config-lr_error"' in answer.text


def test_a_stage_without_its_data_says_what_is_missing(
    rosa: User, campaign: Campaign, policy: Checkpoint
) -> None:
    make_prompt(campaign)
    url = f"/campaigns/{campaign.pk}/runs/start/reward"
    answer = client_of(rosa).post(url, typed(campaign, "reward"))
    assert answer.status_code == 422
    assert "no submitted ranking gives one yet" in answer.text


def test_the_form_says_what_must_come_first(rosa: User, campaign: Campaign) -> None:
    text = client_of(rosa).get(f"/campaigns/{campaign.pk}/runs/start/ppo").text
    assert "manage.py prepare_base" in text
    assert "start a run of the stage Reward model first" in text


def test_an_evaluation_can_go_without_a_reward_model(
    rosa: User, campaign: Campaign, policy: Checkpoint
) -> None:
    Prompt.objects.filter(pk=make_prompt(campaign).pk).update(split="valid")
    sent = typed(campaign, "evaluate") | {"reward_model": ""}
    client_of(rosa).post(f"/campaigns/{campaign.pk}/runs/start/evaluate", sent)
    assert Run.objects.get().reward_model is None


def test_there_is_no_such_stage_or_preset(rosa: User, campaign: Campaign) -> None:
    start = f"/campaigns/{campaign.pk}/runs/start"
    assert client_of(rosa).get(f"{start}/pretrain").status_code == 404
    assert client_of(rosa).get(f"{start}/sft?preset=huge").status_code == 404


def test_the_paper_preset_shows_the_papers_values(rosa: User, campaign: Campaign) -> None:
    text = client_of(rosa).get(f"/campaigns/{campaign.pk}/runs/start/ppo?preset=paper").text
    assert 'name="config-batch_size" value="512"' in text
    assert "Rollouts a step (C.4). (at least 1, at most 8192)" in text


def test_the_page_shows_progress_and_the_last_values(rosa: User, run: Run) -> None:
    RunMetric.objects.create(run=run, step=1, values={"loss": 0.7, "valid_loss": 0.69})
    RunMetric.objects.create(run=run, step=2, values={"loss": 0.5})
    Run.objects.filter(pk=run.pk).update(state="running", step=2, total_steps=8, log_tail="step 2 <b>")
    text = client_of(rosa).get(f"/runs/{run.pk}").text
    assert "Step 2 of 8" in text
    assert '<th scope="row">loss</th><td class="number">0.5</td><td class="number">2</td>' in text
    assert '<th scope="row">valid_loss</th><td class="number">0.69</td><td class="number">1</td>' in text
    assert "step 2 &lt;b&gt;" in text


def test_metrics_come_after_a_step_with_what_shares_a_plot(rosa: User, run: Run) -> None:
    for step in (1, 2, 3):
        RunMetric.objects.create(run=run, step=step, values={"loss": 1 / step, "valid_loss": 1, "kl": 0})
    said = client_of(rosa).get(f"/runs/{run.pk}/metrics?after=1").json()
    assert [step for step, _values in said["steps"]] == [2, 3]
    assert said["families"] == {"Loss": ["loss", "valid_loss"], "KL": ["kl"]} and not said["across"]
    assert said["is_more"]
    assert len(client_of(rosa).get(f"/runs/{run.pk}/metrics?after=x").json()["steps"]) == 3


def test_a_finished_run_shows_its_interval_and_stops_polling(rosa: User, run: Run) -> None:
    result = {"accuracy": 0.6931, "accuracy_low": 0.6, "accuracy_high": 0.775, "comparisons": 91}
    Run.objects.filter(pk=run.pk).update(state="succeeded", finished_at=timezone.now(), result=result)
    status = client_of(rosa).get(f"/runs/{run.pk}/status")
    assert "Held-out accuracy 0.693, 95 % interval 0.600 to 0.775" in status.text
    assert status["HX-Refresh"] == "true"
    assert "every 2s" not in status.text
    assert not client_of(rosa).get(f"/runs/{run.pk}/metrics").json()["is_more"]


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"score": 1.0, "score_low": 0.5, "score_high": 1.25}, "score 1.00, 95 % interval 0.50 to 1.25"),
        ({"kl": 3.14159, "score": -0.5, "length": 40}, "KL 3.14, score -0.50"),
        ({"loss": 2.0, "valid_loss": 2.3456}, "held-out loss 2.346"),
        ({"accuracy": None, "comparisons": 0, "prompts": 0}, "–"),
    ],
)
def test_the_list_says_each_stages_result(rosa: User, run: Run, result: dict[str, float], words: str) -> None:
    Run.objects.filter(pk=run.pk).update(state="succeeded", finished_at=timezone.now(), result=result)
    assert f"<td>{words}" in client_of(rosa).get("/runs").text


def test_a_failed_run_says_why_and_starts_again(rosa: User, run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(state="failed", finished_at=timezone.now(), reason="Out of memory.")
    assert "Out of memory." in client_of(rosa).get(f"/runs/{run.pk}").text
    client_of(rosa).post(f"/runs/{run.pk}/retry")
    run.refresh_from_db()
    assert run.state == RunState.QUEUED


def test_a_queued_run_is_cancelled_once(rosa: User, run: Run) -> None:
    assert client_of(rosa).post(f"/runs/{run.pk}/cancel").status_code == 302
    run.refresh_from_db()
    assert run.state == RunState.CANCELLED
    assert client_of(rosa).post(f"/runs/{run.pk}/cancel").status_code == 409


def test_why_a_run_failed_is_said_in_the_readers_language(campaign: Campaign, rosa: User) -> None:
    reason = "The worker stopped in the middle of this run, 3 times."
    run = Run.objects.create(
        campaign=campaign, stage="sft", state="failed", reason=reason, finished_at=timezone.now()
    )
    for address in (f"/runs/{run.pk}", "/runs"):
        assert reason in client_of(rosa).get(address).text
        chinese = client_of(rosa).get(address, headers={"accept-language": "zh-hans"}).text
        assert "工作进程在此运行途中停止了 3 次。" in chinese
