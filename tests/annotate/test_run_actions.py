"""Starting, cancelling, retrying and losing runs: the rows, without a worker."""

import json
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from annotate.actions import execution, runs
from annotate.actions.runs import Order
from annotate.errors import Invalid, Refused
from annotate.models import Campaign, Checkpoint, Prompt, Run, RunState, User
from tests.bridge import campaign_with, rank
from tests.rows import make_prompt

FOLDER = Path("/srv/policy")


@pytest.fixture
def ranked(db: None) -> Campaign:
    campaign = campaign_with(FOLDER)
    rank(campaign, 8)
    return campaign


def begun(campaign: Campaign) -> Run:
    run = runs.begin(runs.start_run(campaign, "reward", actor=None).pk)
    assert run is not None
    return run


def go_silent() -> None:
    Run.objects.filter(state=RunState.RUNNING).update(heartbeat_at=timezone.now() - runs.LOST_AFTER)


def test_a_bad_config_is_refused_naming_every_field(ranked: Campaign) -> None:
    with pytest.raises(Invalid, match=r"epochs: .*integer.* lr: -1"):
        runs.start_run(ranked, "reward", actor=None, config={"lr": -1, "epochs": "many"})
    with pytest.raises(Invalid, match="learning_rate: this stage has no such field"):
        runs.start_run(ranked, "reward", actor=None, config={"learning_rate": 1e-5})
    with pytest.raises(Invalid, match="preset: there is no preset called huge"):
        runs.start_run(ranked, "reward", actor=None, preset="huge")
    assert not Run.objects.exists()


def test_a_stage_without_what_it_needs_is_refused(ranked: Campaign) -> None:
    with pytest.raises(Refused, match="SFT needs demonstrations"):
        runs.start_run(ranked, "sft", actor=None)
    with pytest.raises(Refused, match="reward_model: PPO needs one"):
        runs.start_run(ranked, "ppo", actor=None)
    with pytest.raises(Refused, match="policy: this campaign has no policy yet"):
        runs.start_run(Campaign.objects.create(name="Bare"), "reward", actor=None)


def test_checkpoints_must_be_of_the_right_kind_and_campaign(ranked: Campaign) -> None:
    other = campaign_with(FOLDER, "Other")
    theirs = Checkpoint.objects.create(kind="policy", name="theirs", campaign=other, location="/srv/theirs")
    judge = Checkpoint.objects.create(
        kind="reward_model", name="judge", campaign=ranked, location="/srv/judge"
    )
    with pytest.raises(Invalid, match="policy: theirs belongs to another campaign"):
        runs.start_run(ranked, "reward", actor=None, policy=theirs)
    with pytest.raises(Invalid, match="policy: judge is of the other kind"):
        runs.start_run(ranked, "reward", actor=None, policy=judge)
    with pytest.raises(Invalid, match="second_judge: theirs is of the other kind"):
        runs.start_run(ranked, "ppo", actor=None, reward_model=judge, second_judge=theirs)
    with pytest.raises(Invalid, match="second_judge: only PPO has one"):
        runs.start_run(ranked, "reward", actor=None, second_judge=judge)


def test_a_run_keeps_its_whole_config_and_what_it_reads(ranked: Campaign, rosa: User) -> None:
    run = runs.start_run(ranked, "reward", actor=rosa, preset="paper", config={"seed": 7})
    assert (run.config["seed"], run.config["batch_size"]) == (7, 64)
    assert run.snapshot is not None
    assert run.snapshot.manifest["rankings"]["comparisons"] == 48
    assert run.created_by == rosa


def test_ppo_is_given_prompts_to_learn_on_prompts_to_look_at_and_its_second_judge(ranked: Campaign) -> None:
    for split in ("valid", "test"):
        Prompt.objects.filter(pk=make_prompt(ranked, f"Of {split}?").pk).update(split=split)
    first, second = (
        Checkpoint.objects.create(kind="reward_model", name=name, campaign=ranked, location=f"/srv/{name}")
        for name in ("first", "second")
    )
    run = runs.start_run(ranked, "ppo", actor=None, reward_model=first, second_judge=second)
    arguments = execution.command_of(run)
    given = dict(zip(arguments[1::2], arguments[2::2], strict=True))
    assert (given["--reward-model"], given["--second-judge"]) == ("/srv/first", "/srv/second")
    rows = [json.loads(line) for line in Path(given["--prompts"]).read_text().splitlines()]
    assert {row["split"] for row in rows} == {"train", "valid"}


def test_only_one_worker_takes_a_run(ranked: Campaign) -> None:
    run = begun(ranked)
    assert runs.begin(run.pk) is None


def test_a_silent_run_is_queued_again_and_its_old_worker_is_told_to_leave(ranked: Campaign) -> None:
    run = begun(ranked)
    go_silent()
    runs.find_lost()
    again = runs.begin(run.pk)
    assert again is not None
    assert runs.report(run, [], "") is Order.LEAVE
    assert runs.report(again, [], "") is Order.GO_ON


def test_a_run_lost_three_times_fails(ranked: Campaign) -> None:
    run = begun(ranked)
    for _attempt in range(3):
        go_silent()
        runs.find_lost()
        runs.begin(run.pk)
    run.refresh_from_db()
    assert (run.state, run.attempts) == (RunState.FAILED, 3)
    assert "3 times" in run.reason


def test_a_lost_foreground_run_is_not_handed_to_a_worker(ranked: Campaign) -> None:
    run = runs.start_run(ranked, "reward", actor=None, is_foreground=True)
    runs.begin(run.pk)
    go_silent()
    runs.find_lost()
    run.refresh_from_db()
    assert run.state == RunState.FAILED
    assert "command" in run.reason


def test_a_queued_run_is_cancelled_at_once_and_a_finished_one_not_at_all(ranked: Campaign) -> None:
    run = runs.start_run(ranked, "reward", actor=None)
    runs.cancel_run(run, None)
    run.refresh_from_db()
    assert run.state == RunState.CANCELLED
    assert runs.begin(run.pk) is None
    with pytest.raises(Refused, match="over"):
        runs.cancel_run(run, None)


def test_whoever_works_on_a_cancelled_run_is_told(ranked: Campaign) -> None:
    run = begun(ranked)
    runs.cancel_run(run, None)
    assert runs.report(run, [], "") is Order.CANCEL


def test_a_repeated_step_replaces_its_numbers(ranked: Campaign) -> None:
    run = begun(ranked)
    runs.report(run, [{"step": 1, "total": 9, "loss": 0.7}, {"step": 2, "total": 9, "loss": 0.6}], "")
    runs.report(run, [{"step": 2, "total": 9, "loss": 0.5, "phase": "training", "kl": float("nan")}], "log")
    assert dict(run.metrics.values_list("step", "values")) == {1: {"loss": 0.7}, 2: {"loss": 0.5}}
    run.refresh_from_db()
    assert (run.step, run.total_steps, run.phase, run.log_tail) == (2, 9, "training", "log")


def test_success_adds_the_checkpoint_with_its_parent(ranked: Campaign) -> None:
    run = begun(ranked)
    runs.succeed(run, "reward_model", Path("/srv/made"), {"accuracy": 0.6})
    run.refresh_from_db()
    assert run.state == RunState.SUCCEEDED
    assert run.checkpoint is not None
    assert (run.checkpoint.parent, run.checkpoint.location) == (run.policy, "/srv/made")
    assert runs.newest_reward_model(ranked) == run.checkpoint


def test_a_checkpoint_keeps_the_last_samples_of_its_stage(tmp_path: Path) -> None:
    lines = [{"step": n, "prompt": f"prompt {n}", "completion": f"answer {n}", "kl": 0.1} for n in range(20)]
    (tmp_path / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    kept = execution.samples_of(tmp_path)
    assert kept[-1] == {"prompt": "prompt 19", "completion": "answer 19"}
    assert len(kept) == 8


def test_pretraining_text_comes_from_its_folder_alone(
    ranked: Campaign, settings: Settings, tmp_path: Path
) -> None:
    settings.DATA_DIR = tmp_path
    (tmp_path / "pretraining").mkdir()
    (tmp_path / "pretraining" / "books.txt").write_text("Once upon a time.")
    runs.refuse_unknown_pretraining("books.txt")
    for elsewhere in ("../secret_key", "/etc/hosts", "more.txt"):
        with pytest.raises(Invalid, match="pretraining: there is no file"):
            runs.start_run(ranked, "sft", actor=None, pretraining=elsewhere)
