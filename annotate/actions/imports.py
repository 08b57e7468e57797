"""Importing files in the wire formats: all of a file or nothing, and the same file twice adds nothing.

A row's `id` names its prompt; a ranking is known again by its labeler, a demonstration by its text. What is
here already under that id must say the same as the file.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import IO

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from annotate.actions import imported_answers, imported_names, imported_prompts
from annotate.actions.audit import record
from annotate.actions.campaigns import create_campaign
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
from annotate.wire import Kind, Row, read

BATCH_ROWS = 500
BATCH_BYTES = 8 * 1024 * 1024


@dataclass
class Imported:
    """How many rows a file had, and how many of what they added."""

    rows: int = 0
    prompts: int = 0
    completions: int = 0
    rankings: int = 0
    demonstrations: int = 0


@dataclass(frozen=True)
class Import:
    """What stays the same from the first row of a file to the last."""

    kind: Kind
    campaign: Campaign
    is_sampled: bool
    names: imported_names.Names
    done: Imported
    began_at: datetime
    """What was made since came from an earlier line of this file."""


def import_file(
    kind: Kind,
    file: IO[bytes],
    campaign: Campaign,
    actor: User | None,
    *,
    sample: bool | None = None,
    on_progress: Callable[[int], None] = lambda rows: None,
) -> Imported:
    """Add what a file says to a campaign.

    Args:
        sample: whether new prompts of a prompts file wait for completions; by default they do where the
            campaign has a policy.
        on_progress: called with the number of rows read, after each batch.

    Raises:
        Invalid: a line is wrong or does not fit what is here; it is named, and nothing is added.
    """
    with transaction.atomic():
        # One import into a campaign at a time: a second waits here, then finds what the first added.
        campaign = Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
        job = _begin(kind, campaign, sample)
        for batch in _batches(read(kind, file, settings.MAX_IMPORT_BYTES)):
            _add(job, batch)
            on_progress(job.done.rows)
        if not job.done.rows:
            raise Invalid(_("The file has no rows."))
        record(actor, "imported", campaign, kind=kind, **asdict(job.done))
        if job.is_sampled:
            ring_sampler()
        if job.done.rows >= BATCH_ROWS:
            transaction.on_commit(_analyze)
    return job.done


def import_by_name(
    kind: Kind,
    file: IO[bytes],
    name: str,
    *,
    sample: bool | None = None,
    on_progress: Callable[[int], None] = lambda rows: None,
) -> Imported:
    """Add what a file says to the campaign of this name; a new one is made, its K the file's largest."""
    with transaction.atomic():
        campaign = Campaign.objects.filter(name=name).first()
        is_new = campaign is None
        campaign = campaign or create_campaign(None, name=name)
        done = import_file(kind, file, campaign, None, sample=sample, on_progress=on_progress)
        if is_new and done.completions:
            _fit_k(campaign)
    return done


def _begin(kind: Kind, campaign: Campaign, sample: bool | None) -> Import:
    wanted = current_policy(campaign) is not None if sample is None else sample
    is_sampled = kind == "prompts" and wanted
    return Import(kind, campaign, is_sampled, imported_names.Names(), Imported(), timezone.now())


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


def _add(job: Import, rows: list[Row]) -> None:
    names, done = job.names, job.done
    imported_names.learn(names, rows)
    sampling = Sampling.QUEUED if job.is_sampled else Sampling.NONE
    once = job.began_at if job.kind == "prompts" else None
    known = imported_prompts.add_prompts(job.campaign, rows, names, sampling, once)
    done.prompts += known.added
    if job.kind == "rankings":
        done.completions += imported_prompts.add_completions(rows, known, names)
        done.rankings += imported_answers.add_rankings(rows, known, names, job.began_at)
    once = job.began_at if job.kind == "demonstrations" else None
    written = [row for row in rows if row.demonstration]
    done.demonstrations += imported_answers.add_demonstrations(written, known, once)
    done.rows += len(rows)
