"""Importing files: all of a file or its good lines, and the same file twice adds nothing.

A row's `id` names its prompt; a ranking is known again by its labeler, a demonstration by its text. What is
here already under that id must say the same as the file.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import IO

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotate.actions import imported_answers, imported_names, imported_prompts, imported_slots
from annotate.actions.audit import record
from annotate.actions.campaigns import create_campaign
from annotate.actions.imported_answers import NewDemonstration, NewRanking
from annotate.actions.imported_prompts import KnownCompletion, KnownPrompt
from annotate.actions.kept_figures import ask_all_anew
from annotate.errors import Invalid
from annotate.jobs import ring_sampler
from annotate.models import (
    Campaign,
    Completion,
    Demonstration,
    Prompt,
    RankedCompletion,
    Ranking,
    Sampling,
    User,
    current_policy,
)
from annotate.reading import read, read_path
from annotate.wire import FLAGS, Kind, Row, refuse_line

BATCH_ROWS = 2000
BATCH_BYTES = 8 * 1024 * 1024
KEPT_PROBLEMS = 100
ANALYZED_ROWS = 500
"""After so many the query planner's counts are made anew."""

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


def import_file(
    kind: Kind,
    file: IO[bytes] | Path,
    campaign: Campaign,
    actor: User | None,
    *,
    sample: bool | None = None,
    keep_good: bool = False,
    on_progress: Callable[[int, int], None] = lambda rows, size: None,
    on_refused: OnRefused | None = None,
) -> Imported:
    """Add what a file says to a campaign.

    Args:
        file: JSON Lines, plain or gzipped; or a path: of such a file, CSV, Parquet, Arrow, or a folder's.
        sample: whether new prompts of a prompts file wait for completions; by default they do where the
            campaign has a policy.
        keep_good: whether the other lines are added when some are wrong.
        on_progress: called after each batch with how many rows, and how many bytes of them, were taken in.
        on_refused: told of each line that is wrong; the file is then read to its end even if nothing is kept.

    Raises:
        Invalid: the file cannot be read, or, unless keep_good, a line is wrong or does not fit what is here;
            it is named, and nothing is added.
    """
    with transaction.atomic():
        # One import into a campaign at a time: a second waits here, then finds what the first added.
        campaign = Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
        _plan_by_index()
        job = _begin(kind, campaign, sample, keep_good, on_refused)
        size = 0
        with imported_slots.counted_at_the_end(campaign):
            for batch in _ahead(_batches(_rows(job, file))):
                _add(job, batch)
                size += sum(row.size for row in batch)
                on_progress(job.done.rows, size)
        _conclude(job, actor)
    return job.done


def import_by_name(
    kind: Kind,
    file: IO[bytes] | Path,
    name: str,
    *,
    sample: bool | None = None,
    keep_good: bool = False,
    on_progress: Callable[[int, int], None] = lambda rows, size: None,
) -> Imported:
    """Add what a file says to the campaign of this name; a new one is made, its K the file's largest."""
    with transaction.atomic():
        campaign = Campaign.objects.filter(name=name).first()
        is_new = campaign is None
        campaign = campaign or create_campaign(None, name=name)
        done = import_file(
            kind, file, campaign, None, sample=sample, keep_good=keep_good, on_progress=on_progress
        )
        if is_new and done.completions:
            _fit_k(campaign)
    return done


def _plan_by_index() -> None:
    """Let triggers and foreign keys find rows through indexes until the transaction ends.

    What they planned for empty tables reads the whole table for each new row: an import that fills a new
    database took minutes a megabyte.
    """
    with connection.cursor() as cursor:
        cursor.execute("DISCARD PLANS")
        cursor.execute("SET LOCAL enable_seqscan = off")


def _begin(
    kind: Kind, campaign: Campaign, sample: bool | None, keep_good: bool, on_refused: OnRefused | None
) -> Import:
    wanted = current_policy(campaign) is not None if sample is None else sample
    is_sampled = kind == "prompts" and wanted
    names, now = imported_names.Names(), timezone.now()
    return Import(kind, campaign, is_sampled, keep_good, names, Imported(), now, on_refused)


def _rows(job: Import, file: IO[bytes] | Path) -> Iterator[Row]:
    flags = FLAGS | {name for name, _help in job.campaign.listed_own_flags}
    if isinstance(file, Path):
        return read_path(job.kind, file, settings.MAX_IMPORT_BYTES, job.refuse, flags)
    return read(job.kind, file, settings.MAX_IMPORT_BYTES, job.refuse, flags)


def _conclude(job: Import, actor: User | None) -> None:
    done = job.done
    if done.refused and not job.keep_good:
        words = ngettext(
            "%(count)d line is wrong, so nothing was added.",
            "%(count)d lines are wrong, so nothing was added.",
            done.refused,
        )
        raise Invalid(words % {"count": done.refused})
    if not done.rows:
        first = f" {done.problems[0]}" if done.problems else ""
        raise Invalid((_("The file has no good rows.") if first else _("The file has no rows.")) + first)
    record(actor, "imported", job.campaign, kind=job.kind, **done.counts)
    if job.is_sampled:
        ring_sampler()
    if done.rows >= ANALYZED_ROWS:
        transaction.on_commit(_analyze)
    # After the planner's counts, which the figures are read with.
    if done.prompts or done.rankings or done.demonstrations:
        ask_all_anew(job.campaign)


def _analyze() -> None:
    """Count the tables' rows anew for the query planner (PostgreSQL's manual, "Populating a Database").

    Where the tables were empty when it last counted, it plans for no rows until autovacuum comes by, and the
    pages that read many take minutes.
    """
    with connection.cursor() as cursor:
        for table in (Prompt, Completion, Ranking, RankedCompletion, Demonstration):
            cursor.execute(f"ANALYZE {table._meta.db_table}")


def _fit_k(campaign: Campaign) -> None:
    last = Completion.objects.filter(prompt__campaign=campaign).aggregate(last=Max("place"))["last"]
    campaign.k = last + 1
    campaign.save(update_fields=["k"])


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Yield rows in batches that are short in rows and in bytes, so that long lines fill no memory."""
    batch: list[Row] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += row.size
        if len(batch) == BATCH_ROWS or size > BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _ahead(batches: Iterator[list[Row]]) -> Iterator[list[Row]]:
    """Yield the same, the next one being read and checked while the database takes in this one."""
    with ThreadPoolExecutor(1) as pool:
        # In this thread's context, so that refusals are in the reader's language.
        read_next = partial(copy_context().run, partial(next, batches, None))
        waiting = pool.submit(read_next)
        while (batch := waiting.result()) is not None:
            waiting = pool.submit(read_next)
            yield batch


def _add(job: Import, rows: list[Row]) -> None:
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
