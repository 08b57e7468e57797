"""The bridge between rows and the learning side: real workers, a real broker, a tiny random policy.

The tests that end a worker come first: they need to be alone with theirs.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from annotate.actions import checkpoints, execution, runs, suggestions
from annotate.models import (
    Campaign,
    Checkpoint,
    Completion,
    EngineStatus,
    Prompt,
    Run,
    RunState,
    Sampling,
    Suggestion,
    User,
)
from tests.bridge import TINY, ask, campaign_with, rank
from tests.people import make_campaign
from tests.trainer.conftest import make_policy
from tests.workers import children_of, environment, is_alive, wait_until, wait_until_idle, working

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.fixture(scope="session")
def policy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_policy(tmp_path_factory.mktemp("bridge") / "policy")


@pytest.fixture(autouse=True)
def idle_workers(transactional_db: None) -> Iterator[None]:
    yield
    wait_until_idle()


@pytest.fixture
def campaign(policy_folder: Path, transactional_db: None) -> Campaign:
    return campaign_with(policy_folder, max_completion_tokens=64)


@pytest.fixture(scope="module")
def sampler(django_db_setup: None) -> Iterator[None]:
    """One sampling worker for the tests that leave it alive."""
    with working("sample"):
        yield


def are_sampled() -> bool:
    return not Prompt.objects.exclude(sampling=Sampling.SAMPLED).exists()


def test_a_stopped_sampler_puts_its_prompts_back(campaign: Campaign) -> None:
    ask(campaign, 16)
    with working("sample"):
        wait_until(lambda: Completion.objects.count() >= 5)
    assert not Prompt.objects.filter(sampling=Sampling.RUNNING).exists()
    assert Prompt.objects.filter(sampling=Sampling.QUEUED, sampling_attempts=0).exists()


def test_a_killed_sampler_loses_nothing_and_nothing_is_sampled_twice(
    campaign: Campaign, request: pytest.FixtureRequest
) -> None:
    ask(campaign, 16)
    with working("sample") as worker:
        wait_until(lambda: Completion.objects.count() >= 5)
        engines = children_of(worker.pid)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    before = dict(Completion.objects.values_list("pk", "text"))
    assert 5 <= len(before) < 64, "the kill came in the middle"
    assert engines
    wait_until(lambda: not any(map(is_alive, engines)), seconds=60)
    # A minute passes.
    held = Prompt.objects.filter(sampling=Sampling.RUNNING)
    held.update(sampling_lease_until=timezone.now() - timedelta(seconds=1))
    request.getfixturevalue("sampler")
    wait_until(are_sampled)
    after = dict(Completion.objects.values_list("pk", "text"))
    assert len(after) == 64
    assert before.items() <= after.items()


def test_it_samples_k_completions_with_recorded_seeds(sampler: None, campaign: Campaign) -> None:
    prompts = ask(campaign, 2)
    wait_until(are_sampled)
    for prompt in prompts:
        found = prompt.completions.order_by("place")
        assert [completion.place for completion in found] == [0, 1, 2, 3]
        assert [completion.seed for completion in found] == [prompt.pk * 16 + place for place in range(4)]
        assert len({completion.text for completion in found}) == 4
    assert EngineStatus.objects.get().engine.startswith("transformers ")


def test_a_prompt_too_long_fails_alone_and_says_why(sampler: None, campaign: Campaign) -> None:
    (long,) = ask(campaign, 1, "word " * 200)
    (short,) = ask(campaign, 1)
    wait_until(lambda: not Prompt.objects.filter(sampling__in=["queued", "running"]).exists())
    short.refresh_from_db()
    long.refresh_from_db()
    assert (short.sampling, long.sampling) == (Sampling.SAMPLED, Sampling.FAILED)
    assert "tokens" in long.sampling_reason


def test_prompts_without_a_policy_wait_and_say_so(sampler: None, campaign: Campaign) -> None:
    other = make_campaign("No policy yet", max_completion_tokens=8)
    (waiting,) = ask(other, 1)
    (sampled,) = ask(campaign, 1)
    wait_until(lambda: Prompt.objects.get(pk=sampled.pk).sampling == Sampling.SAMPLED)
    waiting.refresh_from_db()
    assert waiting.sampling == Sampling.QUEUED
    assert "no policy yet" in waiting.sampling_reason
    checkpoints.promote(other, Checkpoint.objects.get(name="tiny"), None, "now it has one")
    wait_until(lambda: Prompt.objects.get(pk=waiting.pk).sampling == Sampling.SAMPLED)


def test_suggestions_are_written_for_either_side(sampler: None, campaign: Campaign) -> None:
    person = User.objects.create(username="lena")
    talk = [{"role": "user", "content": "Hi"}]
    answer = suggestions.ask(campaign, person, talk)
    long = suggestions.ask(campaign, person, [{"role": "user", "content": "word " * 200}])
    question = suggestions.ask(campaign, person, [*talk, {"role": "assistant", "content": "Yes"}], "user")
    wait_until(lambda: not Suggestion.objects.filter(state__in=suggestions.UNFINISHED).exists())
    written = dict(Suggestion.objects.values_list("pk", "state"))
    assert written == {answer.pk: "done", long.pk: "failed", question.pk: "done"}
    assert "tokens" in Suggestion.objects.get(pk=long.pk).reason
    texts = Suggestion.objects.exclude(pk=long.pk).values_list("text", flat=True)
    assert all(texts)
    assert len(set(texts)) == 2


def test_an_unloadable_policy_fails_its_prompts_after_three_attempts(
    sampler: None, campaign: Campaign
) -> None:
    broken = Checkpoint.objects.create(kind="policy", name="gone", location="/nowhere/policy")
    checkpoints.promote(campaign, broken, None, "by mistake")
    (prompt,) = ask(campaign, 1)
    wait_until(lambda: Prompt.objects.get(pk=prompt.pk).sampling == Sampling.FAILED)
    prompt.refresh_from_db()
    assert prompt.sampling_attempts == 3
    assert "/nowhere/policy" in prompt.sampling_reason


@pytest.fixture
def ranked(policy_folder: Path, transactional_db: None) -> Campaign:
    """A campaign of its own name, whose prompts are all ranked: nothing in it waits for a sampler."""
    campaign = campaign_with(policy_folder, "Ranked")
    rank(campaign, 16)
    return campaign


# So many steps that it is not done before it has been stopped, however quick the machine.
LONG = {"epochs": 100, "batch_size": 1}


def start(campaign: Campaign, stage: str, **changes: object) -> Run:
    return runs.start_run(campaign, stage, actor=None, config=TINY[stage] | changes)


def now(run: Run) -> Run:
    return Run.objects.select_related("checkpoint").get(pk=run.pk)


def is_over(run: Run) -> bool:
    return not now(run).is_alive


def test_a_stopped_training_worker_puts_its_run_back(ranked: Campaign) -> None:
    run = start(ranked, "reward", **LONG)
    with working("train"):
        wait_until(lambda: now(run).step >= 5)
    assert (now(run).state, now(run).attempts) == (RunState.QUEUED, 0)
    saved = checkpoints.folder() / f"{execution.name_of(run)}.partial" / "state"
    assert any(saved.iterdir()), "the next worker goes on from here"


def test_a_killed_training_worker_is_made_up_for(ranked: Campaign) -> None:
    run = start(ranked, "reward", **LONG)
    with working("train") as worker:
        wait_until(lambda: now(run).step >= 5)
        stages = children_of(worker.pid)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    killed = now(run)
    assert stages
    assert killed.state == RunState.RUNNING
    wait_until(lambda: not any(map(is_alive, stages)), seconds=60)
    # Half a minute passes.
    Run.objects.update(heartbeat_at=timezone.now() - runs.LOST_AFTER)
    with working("train"):
        wait_until(lambda: is_over(run))
    done = now(run)
    assert (done.state, done.attempts, done.step) == (RunState.SUCCEEDED, 2, done.total_steps)
    log = (execution.folder_of(run) / "log.txt").read_text().splitlines()
    assert len([line for line in log if line.startswith("step 1 of ")]) == 1, "it went on, not anew"
    steps = list(run.metrics.values_list("step", flat=True))
    assert steps == sorted(set(steps))
    assert done.checkpoint is not None
    assert done.checkpoint.parent == run.policy


@pytest.fixture(scope="module")
def trainer(django_db_setup: None) -> Iterator[None]:
    """One training worker for the tests that leave it alive."""
    with working("train"):
        yield


def test_a_run_can_be_cancelled_and_started_again(trainer: None, ranked: Campaign) -> None:
    run = start(ranked, "reward", **LONG)
    wait_until(lambda: now(run).step >= 3)
    runs.cancel_run(run, None)
    wait_until(lambda: is_over(run))
    assert now(run).state == RunState.CANCELLED
    runs.retry_run(run, None)
    wait_until(lambda: is_over(run))
    assert now(run).state == RunState.SUCCEEDED


def test_a_failed_run_says_why(trainer: None, ranked: Campaign) -> None:
    run = runs.start_run(
        ranked, "reward", actor=None, config=TINY["reward"], policy=policy_with_half_a_folder(ranked)
    )
    wait_until(lambda: is_over(run))
    assert now(run).state == RunState.FAILED
    assert "incomplete checkpoint, missing" in now(run).reason


def policy_with_half_a_folder(campaign: Campaign) -> Checkpoint:
    whole = Path(Checkpoint.objects.get(name="tiny").location)
    half = whole.with_name("half")
    half.mkdir(exist_ok=True)
    (half / "config.json").write_text((whole / "config.json").read_text())
    return Checkpoint.objects.create(kind="policy", name="half", campaign=campaign, location=str(half))


def test_start_run_here_prints_one_json_line_and_ppo_takes_its_reward_model(ranked: Campaign) -> None:
    judged = start_run_here("reward", "--campaign", "Ranked")
    assert {"accuracy", "accuracy_low", "accuracy_high", "checkpoint", "seconds"} <= judged.keys()
    assert judged["state"] == "succeeded"
    assert (Path(judged["checkpoint"]) / "podium.json").exists()
    trained = start_run_here("ppo", "--campaign", "Ranked")
    assert Run.objects.get(pk=trained["run"]).reward_model_id == judged["checkpoint_id"]
    assert trained["kl"] is not None
    assert Run.objects.get(pk=trained["run"]).metrics.filter(values__has_key="kl").count() == 2


def start_run_here(stage: str, *arguments: str) -> dict[str, object]:
    changes = [f"--set={name}={json.dumps(value)}" for name, value in TINY[stage].items()]
    command = [sys.executable, "manage.py", "start_run", stage, *arguments, *changes, "--here", "--json"]
    with environment():
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    said: dict[str, object] = json.loads(line)
    return said
