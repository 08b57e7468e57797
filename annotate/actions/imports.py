"""Importing files: all of a file or its good lines, and the same file twice adds nothing.

A row's `id` names its prompt; a ranking is known again by its labeler, a demonstration by its text. What is
here already under that id must say the same as the file.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import IO

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotate.actions import imported_names, imported_slots
from annotate.actions.audit import record
from annotate.actions.campaigns import create_campaign
from annotate.actions.imported_rows import Import, Imported, OnRefused, add
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
    User,
    current_policy,
)
from annotate.reading import read, read_path
from annotate.wire import FLAGS, Kind, Row

BATCH_ROWS = 2000
BATCH_BYTES = 8 * 1024 * 1024
ANALYZED_ROWS = 500
"""After so many the query planner's counts are made anew."""


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
                add(job, batch)
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
