"""The bridge: the Celery tasks that walk between the website's rows and the learning side."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from celery import Task
from celery.signals import worker_shutdown, worker_shutting_down
from django.conf import settings
from django.db import connection

from annotate import jobs
from annotate.actions import execution, runs, sampling, suggestions
from annotate.celery import app
from annotate.models import Campaign, Checkpoint, Prompt, Run, Suggestion, current_policy
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
    """Write the suggestions that people wait for, and sample prompts, a batch of each campaign in turn."""
    if not is_sampling.acquire(blocking=False):
        return  # one engine a worker, and it is at work: it will find these prompts too
    worker = str(self.request.hostname)
    try:
        served = 0
        while not stopping.is_set():
            if asked := suggestions.claim_batch():
                write_suggestions(asked, worker)
            elif batch := sampling.claim_batch(served):
                served = batch[0].campaign_id
                sample_batch(batch, worker)
            else:
                break
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
    """Sample what these prompts, all of one campaign, still lack, and store each as it arrives."""
    with held(batch, sampling):
        waiting = [prompt for prompt in batch if not sampling.finish_if_whole(prompt)]
        wanted = sampling.missing_by_policy(waiting)
        # The one that the engine holds first: with two policies by turns, it starts anew once a batch.
        for policy in sorted(wanted, key=lambda policy: Path(policy.location) != held_policy()):
            if not stopping.is_set():
                sample_of(policy, wanted[policy], worker)


def sample_of(policy: Checkpoint, wanted: Sequence[tuple[Prompt, list[int]]], worker: str) -> None:
    """Let one policy answer these places of prompts."""
    engine = ready(policy, worker)
    asked = [
        (prompt.messages, [sampling.seed_of(prompt, place) for place in places]) for prompt, places in wanted
    ]
    for item in answers(wanted[0][0].campaign, asked):
        if isinstance(item, Refused):
            sampling.fail_prompt(wanted[item.request][0], sentence(item.reason))
        else:
            prompt, places = wanted[item.prompt]
            sampling.store_completion(prompt, places[item.index], policy=policy, engine=engine, **told(item))


def write_suggestions(batch: list[Suggestion], worker: str) -> None:
    """Let the policy write these suggestions, all of one campaign: one text each."""
    from trainer.sampler import from_the_users_side

    with held(batch, suggestions):
        policy = current_policy(batch[0].campaign)
        assert policy is not None, "only campaigns with a policy have their rows taken"
        engine = ready(policy, worker)
        sides = {"assistant": list, "user": from_the_users_side}
        asked = [(sides[each.role](each.messages), [suggestions.seed_of(each)]) for each in batch]
        for item in answers(batch[0].campaign, asked):
            if isinstance(item, Refused):
                suggestions.fail(batch[item.request], sentence(item.reason))
            else:
                suggestions.store(batch[item.prompt], policy=policy, engine=engine, **told(item))


@contextmanager
def held(batch: Sequence[Prompt | Suggestion], keeper: ModuleType) -> Iterator[None]:
    """Hold rows while the engine works on them; what could not be done goes back.

    keeper is the module of actions that keeps their leases: sampling or suggestions.
    """
    try:
        with leases_renewed(batch, keeper):
            yield
    except (EngineDied, EngineError) as error:
        close_engine()
        keeper.put_back(batch, str(error))
    except Exception as error:
        close_engine()
        keeper.put_back(batch, f"{type(error).__name__}: {error}")
        raise
    if stopping.is_set():
        close_engine()
        keeper.give_back(batch)


def ready(policy: Checkpoint, worker: str) -> str:
    """Warm the engine up with a policy; return the engine in words."""
    description = warm_sampler().use(Path(policy.location))
    engine = "{engine} {version}, {dtype}, {device}".format(**description)
    sampling.report_engine(worker, engine, description["reason"])
    return engine


def answers(
    campaign: Campaign, asked: Sequence[tuple[Sequence[Mapping[str, str]], list[int]]]
) -> Iterator["Answered | Refused"]:
    """Yield what the engine answers to messages with their seeds, until this worker is told to stop."""
    from trainer.sampler import Asked  # loads torch, which a worker that only trains can do without

    drawn = Drawn(max_tokens=campaign.max_completion_tokens, temperature=campaign.temperature)
    for item in warm_sampler().sample([Asked(*each) for each in asked], drawn):
        yield item
        if stopping.is_set():
            return


def told(item: "Answered") -> dict[str, Any]:
    return {"text": item.text, "token_count": item.token_count, "finish_reason": item.finish_reason}


def sentence(reason: str) -> str:
    return f"{reason[:1].upper()}{reason[1:]}."


def held_policy() -> Path | None:
    """Return the folder of the policy that this worker's engine holds, None before the first."""
    return warm[0].policy_dir if warm else None


def warm_sampler() -> "Sampler":
    """Return this worker's sampler, made at the first prompt."""
    from trainer.sampler import Sampler

    if not warm:
        warm.append(Sampler(settings.ENGINE, settings.ENGINE_DTYPE, settings.ENGINE_MAX_TOKENS))
    return warm[0]


@contextmanager
def leases_renewed(batch: Sequence[Prompt | Suggestion], keeper: ModuleType) -> Iterator[None]:
    """Hold the rows for as long as the work on them goes on, an engine's start included."""
    is_done = threading.Event()

    def renew() -> None:
        while not is_done.wait(RENEW_SECONDS):
            keeper.renew_leases(batch)
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
