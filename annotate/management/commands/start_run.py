"""Start a run from the command line: queued for a worker, waited for, or worked on right here."""

import json
import signal
import time
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from annotate import configs
from annotate.actions import checkpoints, execution, runs
from annotate.errors import Refused
from annotate.jobs import workers_on
from annotate.models import Campaign, Checkpoint, Run, RunState, Stage

ASK_WORKERS_SECONDS = 30
BAD_INPUT = 2


class Command(BaseCommand):
    help = "Start a run. Without --here or --wait it is queued for a worker and its number is printed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("stage", choices=Stage.values)
        parser.add_argument("--campaign", required=True, metavar="NAME")
        where = parser.add_mutually_exclusive_group()
        where.add_argument("--here", action="store_true", help="work on it in this process, without a worker")
        where.add_argument("--wait", action="store_true", help="wait until a worker has finished it")
        parser.add_argument(
            "--preset", default="small", help="small (the default), paper, or another of the stage"
        )
        parser.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="FIELD=VALUE",
            dest="changes",
            help="change one field of the preset; can be given again",
        )
        parser.add_argument("--policy", type=int, metavar="ID", help="begin from this checkpoint")
        parser.add_argument("--reward-model", type=int, metavar="ID", help="default: the campaign's newest")
        parser.add_argument("--second-judge", type=int, metavar="ID", help="for PPO: scores, teaches nothing")
        parser.add_argument(
            "--pretraining",
            default="",
            metavar="NAME",
            help="text for PPO-ptx or SFT: a file in the data folder's pretraining/",
        )
        parser.add_argument(
            "--json", action="store_true", dest="as_json", help="print the result as one JSON line"
        )

    def handle(self, *, stage: str, here: bool, wait: bool, as_json: bool, **asked: Any) -> None:
        try:
            run = self.start(stage, here, **asked)
        except Refused as error:
            raise CommandError(str(error), returncode=BAD_INPUT) from error
        if here:
            self.work_here(run)
        elif wait:
            self.wait_for(run)
        run = Run.objects.select_related("checkpoint").get(pk=run.pk)
        self.stdout.write(json_line(run) if as_json else in_words(run))
        if run.state in (RunState.FAILED, RunState.CANCELLED):
            raise SystemExit(1)

    def start(self, stage: str, here: bool, **asked: Any) -> Run:
        campaign = named_campaign(asked["campaign"])
        changes = dict(parsed(stage, text) for text in asked["changes"])
        configs.check(stage, asked["preset"], changes)
        policy = checkpoint(asked["policy"]) or checkpoints.adopt_base(campaign, self.say)
        return runs.start_run(
            campaign,
            stage,
            actor=None,
            preset=asked["preset"],
            config=changes,
            policy=policy,
            reward_model=checkpoint(asked["reward_model"]),
            second_judge=checkpoint(asked["second_judge"]),
            pretraining=asked["pretraining"],
            is_foreground=here,
        )

    def work_here(self, run: Run) -> None:
        """Work on the run in this process; Ctrl-C and SIGTERM cancel it."""
        told = Teller(run, self.say)

        def cancel(number: int, frame: object) -> None:
            told.is_interrupted = True

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, cancel)
        execution.execute(run.pk, told.look)
        if told.is_interrupted and Run.objects.filter(pk=run.pk, state=RunState.QUEUED).exists():
            runs.cancel_run(run, None)

    def wait_for(self, run: Run) -> None:
        told = Teller(run, self.say)
        asked_at = 0.0
        while told.look() or run.is_alive:
            if run.state == RunState.QUEUED and time.monotonic() - asked_at > ASK_WORKERS_SECONDS:
                asked_at = time.monotonic()
                if not workers_on("train"):
                    self.say(
                        "No worker answers on the queue train: start one (make run does), or use --here. "
                        f"Run {run.pk} stays queued; waiting on."
                    )
            time.sleep(1)

    def say(self, line: str) -> None:
        self.stderr.write(line)
        self.stderr.flush()


class Teller:
    """Says how far a run is, a line for each change."""

    def __init__(self, run: Run, say: Callable[[str], None]) -> None:
        self.run, self.say, self.said = run, say, ""
        self.is_interrupted = False

    def look(self) -> bool:
        """Read the run's row anew, say what changed, and return whether the user wants it stopped."""
        self.run.refresh_from_db()
        steps = f", step {self.run.step} of {self.run.total_steps}" if self.run.total_steps else ""
        line = f"{self.run}: {self.run.get_state_display()}{steps} {self.run.phase}".rstrip()
        if line != self.said:
            self.said = line
            self.say(line)
        return self.is_interrupted


def named_campaign(name: str) -> Campaign:
    try:
        return Campaign.objects.get(name=name)
    except Campaign.DoesNotExist as error:
        known = ", ".join(Campaign.objects.values_list("name", flat=True)) or "none"
        raise CommandError(
            f"--campaign: there is no campaign called {name}; there are: {known}.", returncode=BAD_INPUT
        ) from error


def checkpoint(pk: int | None) -> Checkpoint | None:
    if pk is None:
        return None
    try:
        return Checkpoint.objects.get(pk=pk)
    except Checkpoint.DoesNotExist as error:
        raise CommandError(f"There is no checkpoint {pk}.", returncode=BAD_INPUT) from error


def parsed(stage: str, text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise CommandError(f"--set {text}: write FIELD=VALUE.", returncode=BAD_INPUT)
    return name, configs.parse(stage, name, value)


def seconds(run: Run) -> float | None:
    if run.started_at is None:
        return None
    return round(((run.finished_at or timezone.now()) - run.started_at).total_seconds(), 1)


def json_line(run: Run) -> str:
    """Return one line: what the stage found (accuracy, kl, ...), and the run itself."""
    told = {
        **run.result,
        "run": run.pk,
        "stage": run.stage,
        "state": run.state,
        "reason": run.reason,
        "checkpoint": run.checkpoint.location if run.checkpoint else None,
        "checkpoint_id": run.checkpoint_id,
        "seconds": seconds(run),
    }
    return json.dumps(told, ensure_ascii=False)


def in_words(run: Run) -> str:
    lines = [f"{run}: {run.get_state_display()} {run.reason}".rstrip()]
    lines += [f"  {name}: {value}" for name, value in run.result.items()]
    if run.checkpoint:
        lines.append(f"  checkpoint {run.checkpoint_id}: {run.checkpoint.location}")
    return "\n".join(lines)
