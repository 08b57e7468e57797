"""Working on a run: its stage as a child process, what it says written to its row until it ends.

The worker's task and `start_run --here` both come here. Everything a run needs besides its inputs lies
in DATA_DIR/runs/NAME; its checkpoint is written to DATA_DIR/checkpoints/NAME.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from annotate.actions import checkpoints, runs
from annotate.actions.checkpoints import Sample
from annotate.actions.runs import Order
from annotate.models import Run, Snapshot, Split, Stage
from annotate.stage_process import ASKED_TO_STOP, StageProcess, wait_until_free, why_it_ended

POLL_SECONDS = 1.0
GRACE_SECONDS = 15.0
LOCK_SECONDS = 60.0
KEPT_SAMPLES = 8


def execute(run_id: int, is_stopping: Callable[[], bool] = lambda: False) -> Run | None:
    """Work on a queued run until it ends; return it, or None where there was nothing to take.

    is_stopping is asked every second; once it says yes, the run goes back to the queue.
    """
    run = runs.begin(run_id)
    if run is None:
        return None
    out = checkpoints.folder() / name_of(run)
    try:
        arguments = command_of(run)
    except OSError as error:
        runs.fail(run, _("What the run reads is not on this machine: %(error)s") % {"error": error})
        return refreshed(run)
    if (out / "podium.json").exists():
        # The stage had ended when an earlier worker died before it could say so.
        conclude(run, out)
    elif not wait_until_free(out, LOCK_SECONDS):
        runs.fail(run, _("Another process still writes %(folder)s.") % {"folder": out})
    else:
        work(run, arguments, out, is_stopping)
    return refreshed(run)


def name_of(run: Run) -> str:
    """Return the name of a run's folders: the same in every attempt, unlike any other run's."""
    return f"{run.stage}-{run.pk}-{run.created_at:%Y%m%d%H%M%S%f}"


def folder_of(run: Run) -> Path:
    path: Path = settings.DATA_DIR / "runs" / name_of(run)
    path.mkdir(parents=True, exist_ok=True)
    return path


def command_of(run: Run) -> list[str]:
    """Write the run's config and prompts to its folder and return the stage's arguments."""
    assert run.policy is not None, "a run begins from a policy"
    assert run.snapshot is not None, "a run reads a snapshot"
    config = folder_of(run) / "config.json"
    config.write_text(json.dumps(run.config, indent=2))
    given: dict[str, str] = {"policy": run.policy.location, "preset": run.preset, "config": str(config)}
    given |= inputs_of(run, run.snapshot)
    if run.reward_model is not None:
        given["reward-model"] = run.reward_model.location
    if run.second_judge is not None:
        given["second-judge"] = run.second_judge.location
    if run.pretraining:
        given["pretraining"] = str(runs.pretraining_folder() / run.pretraining)
    return [run.stage, *(part for name, value in given.items() for part in (f"--{name}", value))]


def inputs_of(run: Run, snapshot: Snapshot) -> dict[str, str]:
    """Return the files of the snapshot that a stage reads, by the stage's own names."""
    folder = Path(snapshot.location)
    files = {"rankings": folder / "rankings.jsonl", "demonstrations": folder / "demonstrations.jsonl"}
    if run.stage == Stage.SFT:
        del files["rankings"]
    elif run.stage == Stage.PPO:
        # PPO learns from the one and looks at the other on the way.
        files = {"prompts": prompts_of(run, folder, Split.TRAIN, Split.VALID)}
    elif run.stage == Stage.EVALUATE:
        files = {"prompts": prompts_of(run, folder, Split.VALID)}
    elif not snapshot.manifest["demonstrations"]["rows"]:
        del files["demonstrations"]
    return {name: str(path) for name, path in files.items()}


def prompts_of(run: Run, folder: Path, *splits: Split) -> Path:
    """Write the snapshot's prompts of these splits to the run's folder and return that file."""
    path = folder_of(run) / "prompts.jsonl"
    with (folder / "prompts.jsonl").open(encoding="utf-8") as every, path.open("w", encoding="utf-8") as some:
        some.writelines(line for line in every if json.loads(line).get("split") in splits)
    return path


def work(run: Run, arguments: list[str], out: Path, is_stopping: Callable[[], bool]) -> None:
    """Start the stage, follow it to its end, and end the run accordingly."""
    log = folder_of(run) / "log.txt"
    with StageProcess(arguments, out=out, log=log, directory=settings.BASE_DIR) as process:
        order = follow(run, process, is_stopping)
        if order is Order.LEAVE:
            return
        if order is not Order.GO_ON:
            process.stop(GRACE_SECONDS)
        status = process.wait(0)
        report(run, process)
        words = process.last_words()
    assert status is not None, "a stage that was stopped has ended"
    if status == 0:
        conclude(run, out)
    elif order is Order.CANCEL:
        runs.cancelled(run)
    elif order is Order.STOP:
        runs.give_back(run)
    elif status in ASKED_TO_STOP:
        runs.fail(run, _("Someone stopped the stage's process."))
    else:
        runs.fail(run, why_it_ended(status, words))


def follow(run: Run, process: StageProcess, is_stopping: Callable[[], bool]) -> Order:
    """Report every second until the stage ends by itself (GO_ON) or has to be stopped."""
    while process.wait(POLL_SECONDS) is None:
        order = report(run, process)
        if order is not Order.GO_ON:
            return order
        if is_stopping():
            return Order.STOP
    return Order.GO_ON


def report(run: Run, process: StageProcess) -> Order:
    return runs.report(run, process.new_metrics(), process.log_tail())


def conclude(run: Run, out: Path) -> None:
    """End a run whose stage has written its whole folder."""
    told = json.loads((out / "podium.json").read_text(), parse_constant=lambda name: None)
    result: dict[str, Any] = told["result"]
    kind = None if run.stage == Stage.EVALUATE else str(told["kind"])
    runs.succeed(run, kind, out, result, samples_of(out))


def samples_of(out: Path) -> list[Sample]:
    """Return some of the last completions that a stage kept, none where it kept none."""
    path = out / "samples.jsonl"
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()[-KEPT_SAMPLES:]
    kept = map(json.loads, lines)
    return [{"prompt": str(line["prompt"]), "completion": str(line["completion"])} for line in kept]


def refreshed(run: Run) -> Run:
    run.refresh_from_db()
    return run
