"""Importing a batch of a file's rows: each checked against what is here, and what it adds written."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from django.utils.translation import gettext as _

from annotate.actions import imported_answers, imported_names, imported_prompts
from annotate.actions.imported_answers import NewDemonstration, NewRanking
from annotate.actions.imported_prompts import KnownCompletion, KnownPrompt
from annotate.errors import Invalid
from annotate.models import Campaign, Sampling
from annotate.wire import Kind, Row, refuse_line

KEPT_PROBLEMS = 100

OnRefused = Callable[[int, str], None]
"""Told a refused line's number and what is wrong with it."""


@dataclass
class Imported:
    """How many good rows a file had, how many of what they added, and what was wrong with the others."""

    rows: int = 0
    prompts: int = 0
    completions: int = 0
    rankings: int = 0
    demonstrations: int = 0
    refused: int = 0
    problems: list[str] = field(default_factory=list)
    """Of the first refused lines."""

    @property
    def counts(self) -> dict[str, int]:
        return {name: value for name, value in vars(self).items() if isinstance(value, int)}


@dataclass(frozen=True)
class Import:
    """What stays the same from the first row of a file to the last."""

    kind: Kind
    campaign: Campaign
    is_sampled: bool
    keep_good: bool
    names: imported_names.Names
    done: Imported
    began_at: datetime
    """What was made since came from an earlier line of this file."""
    on_refused: OnRefused | None

    def refuse(self, line: int, problem: str) -> None:
        """Note what is wrong with a line, or raise Invalid where nobody asks for the others."""
        if self.on_refused is not None:
            self.on_refused(line, problem)
        elif not self.keep_good:
            refuse_line(line, problem)
        self.done.refused += 1
        if self.done.refused <= KEPT_PROBLEMS:
            words = {"line": line, "problem": problem}
            self.done.problems.append(_("Line %(line)d: %(problem)s") % words)


@dataclass
class Batch:
    """What a batch's rows are about, and what of it is to be added."""

    prompts: dict[str, KnownPrompt]
    ranks: dict[int, list[int | None]]
    rankings: list[NewRanking] = field(default_factory=list)
    demonstrations: list[NewDemonstration] = field(default_factory=list)
    rows: int = 0


def add(job: Import, rows: list[Row]) -> None:
    """Add what a batch's rows say; those that are wrong are refused, or Invalid is raised for the first."""
    batch = _find(job, rows)
    for row in rows:
        try:
            _plan(job, batch, row)
        except Invalid as error:
            job.refuse(row.line, str(error))
        else:
            batch.rows += 1
    _write(job, batch)


def _find(job: Import, rows: list[Row]) -> Batch:
    """Find what is here of what the rows are about."""
    imported_names.learn(job.names, rows)
    prompts = imported_prompts.find_prompts(job.campaign, rows)
    here = {prompt.pk: prompt for prompt in prompts.values()}
    ranks: dict[int, list[int | None]] = {}
    imported_prompts.lock_slots(here, job.began_at)
    if here and job.kind == "rankings":
        imported_prompts.find_completions(here)
        imported_answers.find_rankings(here, job.began_at)
        ranks = imported_answers.ranks_of(imported_answers.judged_again(prompts, rows, job.names))
    if here and any(row.demonstration for row in rows):
        imported_answers.find_demonstrations(here)
    return Batch(prompts, ranks)


def _plan(job: Import, batch: Batch, row: Row) -> None:
    """Check a row against what is here, and only then note what it adds. Raises Invalid."""
    imported_names.check_split(job.names, row)
    prompt = batch.prompts.get(row.id)
    if prompt is None:
        prompt = imported_prompts.new_prompt(row, job.names, _sampling(job))
    else:
        imported_prompts.check_prompt(row, prompt, job.names)
        if job.kind == "prompts" and imported_prompts.is_from(job.began_at, prompt.created_at):
            raise Invalid(_("id %(id)s stands on an earlier line already.") % {"id": row.id})
    if job.kind == "rankings":
        _plan_ranking(job, batch, row, prompt)
    if row.demonstration:
        _plan_demonstration(job, batch, row, prompt)
    batch.prompts[row.id] = prompt


def _sampling(job: Import) -> str:
    if job.kind == "rankings":
        return Sampling.SAMPLED
    return Sampling.QUEUED if job.is_sampled else Sampling.NONE


def _plan_ranking(job: Import, batch: Batch, row: Row, prompt: KnownPrompt) -> None:
    imported_prompts.check_completions(row, prompt)
    labeler = job.names.users[row.labeler].pk if row.labeler else None
    if labeler in prompt.rankings:
        imported_answers.check_ranking(row, prompt.rankings[labeler], batch.ranks)
        return
    prompt.completions = prompt.completions or [KnownCompletion(*each) for each in row.completions]
    prompt.rankings[labeler] = None
    batch.rankings.append(NewRanking(row, prompt, labeler, prompt.next_ranking_slot))
    prompt.next_ranking_slot += 1


def _plan_demonstration(job: Import, batch: Batch, row: Row, prompt: KnownPrompt) -> None:
    if row.demonstration not in prompt.demonstrations:
        prompt.demonstrations[row.demonstration] = None
        batch.demonstrations.append(NewDemonstration(row, prompt, prompt.next_demonstration_slot))
        prompt.next_demonstration_slot += 1
    # The rankings of one prompt all repeat its demonstration.
    elif job.kind == "demonstrations" and imported_prompts.is_from(
        job.began_at, prompt.demonstrations[row.demonstration]
    ):
        imported_answers.refuse_repeat(row)


def _write(job: Import, batch: Batch) -> None:
    done = job.done
    unready = [
        prompt for prompt in batch.prompts.values() if prompt.completions and not prompt.completions[0].pk
    ]
    waiting = {prompt.pk for prompt in unready if prompt.pk}
    answered = job.kind != "prompts"
    done.prompts += imported_prompts.add_prompts(job.campaign, batch.prompts, answered=answered)
    imported_prompts.end_sampling(waiting)
    done.completions += imported_prompts.add_completions(unready, job.names)
    imported_answers.add_rankings(batch.rankings, job.names)
    imported_answers.add_demonstrations(batch.demonstrations)
    done.rankings += len(batch.rankings)
    done.demonstrations += len(batch.demonstrations)
    done.rows += batch.rows
