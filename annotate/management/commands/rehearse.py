"""Prove on a throwaway campaign that this installation's loop learns; print one JSON line, remove the rest.

Prompts go in, the engine samples K completions each, simulated labelers sign in and rank them over HTTP by
a rule the trainer is not told (shorter is better), a reward model and a short PPO follow, and held-out
prompts are sampled before and after. It starts whatever of the website and the workers is not there.
Exit status 0: the rule's mean moved the rule's way by more than its own 95 % interval. 1: it did not.
"""

import json
import secrets
import time
from argparse import ArgumentParser
from collections import defaultdict
from collections.abc import Callable
from statistics import fmean
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from annotate import jobs, processes, rehearsal
from annotate.actions import checkpoints, execution, rehearsals, runs
from annotate.errors import Refused
from annotate.models import Campaign, Checkpoint, Completion, Prompt, Run, RunState, Sampling, Stage

HOST = "127.0.0.1"


class Command(BaseCommand):
    help = "Rehearse the whole loop on a throwaway campaign and print one JSON line."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--prompts", type=int, default=72, help="training prompts")
        parser.add_argument("--held-out", type=int, default=24, help="held-out prompts")
        parser.add_argument("--steps", type=int, default=20, help="PPO steps")
        parser.add_argument("--keep", action="store_true", help="leave the campaign, to look at it")

    def handle(self, *, prompts: int, held_out: int, steps: int, keep: bool, **options: Any) -> None:
        started = time.monotonic()
        processes.leave_on_signals()
        call_command("migrate", verbosity=0)
        checkpoints.ensure_base_policy(self.say)
        texts = rehearsal.questions(prompts + held_out)
        made = rehearsals.begin(f"rehearsal-{secrets.token_hex(4)}", texts[:prompts], texts[prompts:])
        try:
            with processes.running(self.missing_workers()):
                told = self.rehearse(made, steps)
        except Refused as refused:
            raise CommandError(str(refused)) from refused
        finally:
            if not keep:
                rehearsals.remove(made.campaign)
        told["seconds"] = round(time.monotonic() - started, 1)
        self.stdout.write(json.dumps(told))
        if not told["rule_moved"]:
            raise CommandError("The policy did not move the rule's way by more than its 95 % interval.")

    def rehearse(self, made: rehearsals.Rehearsal, steps: int) -> dict[str, Any]:
        """Go around the loop once and return what was seen."""
        campaign = made.campaign
        self.wait_for_completions(campaign)
        rankings = self.rank(made)
        base = campaign.promotions.get().policy
        reward = self.run(campaign, Stage.REWARD, {"epochs": 2, "batch_size": 8, "lr": 5e-5})
        before = self.held_out_by_rule(campaign, base)
        config = {"steps": steps, "max_completion_tokens": rehearsals.LONGEST_COMPLETION}
        ppo = self.run(campaign, Stage.PPO, config, reward_model=reward.checkpoint)
        assert ppo.checkpoint is not None, "a PPO run that succeeded has its policy"
        after = self.held_out_by_rule(campaign, ppo.checkpoint)
        completions = Completion.objects.filter(prompt__campaign=campaign)
        seen = {
            "engine": completions.values_list("engine", flat=True)[0],
            "model": base.name,
            "completions": completions.count(),
            "rankings": rankings,
            "comparisons": reward.snapshot.manifest["rankings"]["comparisons"] if reward.snapshot else 0,
        }
        accuracy = {name: reward.result.get(name) for name in ("accuracy", "accuracy_low", "accuracy_high")}
        return {**seen, **accuracy, "kl": ppo.result.get("kl"), **moved(before, after)}

    def missing_workers(self) -> dict[str, list[str]]:
        """Return the workers that nobody runs yet; those that answer are used."""
        missing = [queue for queue in ("sample", "train") if not jobs.workers_on(queue)]
        return {f"worker-{queue}": processes.worker(queue) for queue in missing}

    def wait_for_completions(self, campaign: Campaign) -> None:
        prompts = Prompt.objects.filter(campaign=campaign)
        jobs.ring_sampler()
        total = prompts.count() * campaign.k

        def is_done() -> bool:
            count = Completion.objects.filter(prompt__campaign=campaign).count()
            self.progress("sampled", count, total)
            return not prompts.filter(sampling__in=[Sampling.QUEUED, Sampling.RUNNING]).exists()

        wait_until(is_done)
        failed = prompts.filter(sampling=Sampling.FAILED).first()
        if failed is not None:
            raise Refused(f"Sampling failed: {failed.sampling_reason}")

    def rank(self, made: rehearsals.Rehearsal) -> int:
        """Have the simulated labelers rank everything over HTTP; return how many rankings were stored."""
        port = processes.free_port(HOST)
        url = f"http://{HOST}:{port}"
        total, count = Prompt.objects.filter(campaign=made.campaign).count(), 0
        local = {"HTTPS": "False", "ALLOWED_HOSTS": HOST, "DEBUG": "False"}
        call_command("collectstatic", verbosity=0, interactive=False)
        with processes.running({"web": processes.web(HOST, port)}, **local):
            processes.wait_for_page(f"{url}/health")
            for person, password in made.labelers:
                labeler = rehearsal.Labeler(url, person.username, password)
                for _ranks in labeler.rank_all(made.campaign.pk):
                    count += 1
                    self.progress("ranked", count, total)
        return count

    def run(self, campaign: Campaign, stage: Stage, config: dict[str, Any], **chosen: Any) -> Run:
        """Start a run through the queue and wait for its end. Raises Refused when it does not succeed."""
        run = runs.start_run(campaign, stage, actor=None, preset="small", config=config, **chosen)

        def is_done() -> bool:
            run.refresh_from_db()
            self.progress(f"{stage} {run.phase}".rstrip(), run.step, run.total_steps or 0)
            return not run.is_alive

        wait_until(is_done)
        if run.state != RunState.SUCCEEDED:
            raise Refused(f"The {stage} run ended as {run.state}: {run.reason}\n{run.log_tail}")
        return run

    def held_out_by_rule(self, campaign: Campaign, policy: Checkpoint) -> list[float]:
        """Sample the held-out prompts with a policy; return each prompt's mean of the rule."""
        config = {"max_completion_tokens": rehearsals.LONGEST_COMPLETION, "k": 4}
        run = self.run(campaign, Stage.EVALUATE, config, policy=policy)
        by_prompt: dict[str, list[float]] = defaultdict(list)
        path = checkpoints.folder() / execution.name_of(run) / "samples.jsonl"
        for line in path.read_text(encoding="utf-8").splitlines():
            sample = json.loads(line)
            by_prompt[sample["id"]].append(rehearsal.rule(sample["completion"]))
        return [fmean(by_prompt[key]) for key in sorted(by_prompt)]

    def progress(self, what: str, count: int, total: int) -> None:
        line = f"{what}: {count} of {total}" if total else what
        if line != getattr(self, "said", ""):
            self.said = line
            self.say(line)

    def say(self, line: str) -> None:
        self.stderr.write(line)
        self.stderr.flush()


def wait_until(is_done: Callable[[], bool]) -> None:
    while not is_done():
        time.sleep(1)


def moved(before: list[float], after: list[float]) -> dict[str, Any]:
    """Return the rule's means, and the mean of the paired differences with its 95 % interval."""
    change = rehearsal.mean_with_interval([new - old for old, new in zip(before, after, strict=True)])
    return {
        "rule": "words per completion, fewer is better",
        "rule_before": round(fmean(before), 2),
        "rule_after": round(fmean(after), 2),
        "rule_change_low": round(change.low, 2),
        "rule_change_high": round(change.high, 2),
        "rule_moved": change.high < 0,
    }
