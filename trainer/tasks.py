"""The bridge: the Celery tasks that walk between the website's rows and the learning side."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celery import Task
from celery.signals import worker_shutdown, worker_shutting_down
from django.conf import settings
from django.db import connection

from annotate import jobs
from annotate.actions import execution, runs, sampling
from annotate.celery import app
from annotate.models import Checkpoint, Prompt, Run, current_policy
from trainer.engine import EngineDied, EngineError, Refused
from trainer.engine import Sampling as Drawn

if TYPE_CHECKING:
    from trainer.sampler import Answered, Sampler

RENEW_SECONDS = 15

stopping = threading.Event()
is_sampling = threading.Lock()
warm: list["Sampler"] = []


@app.task(name=jobs.SAMPLE, bind=True)
def sample(self: Task[Any, Any], /) -> None:
    """Sample waiting prompts, a batch of one campaign after a batch of the next, until none waits."""
    if not is_sampling.acquire(blocking=False):
        return  # one engine a worker, and it is at work: it will find these prompts too
    try:
        served = 0
        while not stopping.is_set() and (batch := sampling.claim_batch(served)):
            served = batch[0].campaign_id
            sample_batch(batch, str(self.request.hostname))
    finally:
        is_sampling.release()


@app.task(name=jobs.TRAIN)
def train(run_id: int) -> None:
    """Work on a run until it ends."""
    try:
        execution.execute(run_id, stopping.is_set)
    except Exception as error:
        runs.fail(Run.objects.get(pk=run_id), f"{type(error).__name__}: {error}")
        raise


def sample_batch(batch: list[Prompt], worker: str) -> None:
    """Sample what these prompts, all of one campaign, still lack; what could not be done goes back."""
    policy = current_policy(batch[0].campaign)
    assert policy is not None, "only campaigns with a policy have their prompts taken"
    try:
        with leases_renewed(batch):
            ask_engine(batch, policy, worker)
    except (EngineDied, EngineError) as error:
        close_engine()
        sampling.put_back(batch, str(error))
    except Exception as error:
        close_engine()
        sampling.put_back(batch, f"{type(error).__name__}: {error}")
        raise
    if stopping.is_set():
        close_engine()
        sampling.give_back(batch)


def ask_engine(batch: list[Prompt], policy: Checkpoint, worker: str) -> None:
    """Ask for the missing completions, and store each as it arrives."""
    from trainer.sampler import Asked  # loads torch, which a worker that only trains can do without

    waiting = [prompt for prompt in batch if not sampling.finish_if_whole(prompt)]
    sampler = warm_sampler()
    told = sampler.use(Path(policy.location))
    engine = f"{told['engine']} {told['version']}, {told['dtype']}, {told['device']}"
    sampling.report_engine(worker, engine, told["reason"])
    places = [sampling.missing_places(prompt) for prompt in waiting]
    asked = [
        Asked(prompt.messages, [sampling.seed_of(prompt, place) for place in missing])
        for prompt, missing in zip(waiting, places, strict=True)
    ]
    campaign = batch[0].campaign
    drawn = Drawn(max_tokens=campaign.max_completion_tokens, temperature=campaign.temperature)
    for item in sampler.sample(asked, drawn):
        if isinstance(item, Refused):
            sampling.fail_prompt(waiting[item.request], f"{item.reason[:1].upper()}{item.reason[1:]}.")
        else:
            store(waiting[item.prompt], places[item.prompt][item.index], item, policy, engine)
        if stopping.is_set():
            return


def store(prompt: Prompt, place: int, item: "Answered", policy: Checkpoint, engine: str) -> None:
    sampling.store_completion(
        prompt,
        place,
        policy=policy,
        text=item.text,
        token_count=item.token_count,
        finish_reason=item.finish_reason,
        engine=engine,
    )


def warm_sampler() -> "Sampler":
    """Return this worker's sampler, made at the first prompt."""
    from trainer.sampler import Sampler

    if not warm:
        warm.append(Sampler(settings.ENGINE, settings.ENGINE_DTYPE, settings.ENGINE_MAX_TOKENS))
    return warm[0]


@contextmanager
def leases_renewed(batch: list[Prompt]) -> Iterator[None]:
    """Hold the prompts for as long as the work on them goes on, an engine's start included."""
    is_done = threading.Event()

    def renew() -> None:
        while not is_done.wait(RENEW_SECONDS):
            sampling.renew_leases(batch)
        connection.close()

    thread = threading.Thread(target=renew, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_done.set()
        thread.join()


@worker_shutting_down.connect
def stop_soon(**_told: Any) -> None:
    """Let the tasks under way put their work back: a restart goes on with it."""
    stopping.set()


@worker_shutdown.connect
def close_engine(**_told: Any) -> None:
    for sampler in warm:
        sampler.close()
