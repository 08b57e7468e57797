"""Writing transfers: asking for one, working on it, cancelling and retrying it.

A transfer goes QUEUED -> RUNNING -> SUCCEEDED, FAILED or CANCELLED, one at a time, so that the light workers
have hands left for the rest. What it writes is one transaction: whatever stops it, nothing is half-written.
"""

import shutil
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.db import transaction
from django.db.models import Exists, F, QuerySet
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from annotate.actions.audit import record
from annotate.errors import Refused
from annotate.jobs import ring_transfer
from annotate.models import Campaign, RunState, Snapshot, Transfer, TransferKind, User
from annotate.reading import SUFFIXES
from annotate.snapshot_query import SnapshotQuery

LOST_AFTER = timedelta(seconds=60)
KEPT_AFTER_FAILURE = timedelta(days=7)
LONGEST_STEM = 60
PLAIN = (".jsonl", ".csv")
"""Files whose rows are as long as the file; a packed one's length is known at its end."""


def uploads_folder() -> Path:
    folder: Path = settings.DATA_DIR / "uploads"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def ask_for_import(
    campaign: Campaign, actor: User, kind: str, file: TemporaryUploadedFile, keep_good: bool = False
) -> Transfer:
    """Keep an uploaded file and queue its import."""
    name = file.name or "upload"
    ending = next((each for each in SUFFIXES if name.endswith(each)), "")
    folder = Path(mkdtemp(dir=uploads_folder()))
    path = folder / (name.removesuffix(ending)[:LONGEST_STEM] + ending)
    shutil.move(file.temporary_file_path(), path)
    return _queue(
        campaign,
        actor,
        kind=TransferKind.IMPORT,
        asked={"kind": kind, "name": name, "keep_good": keep_good},
        location=str(path),
        total_bytes=path.stat().st_size if ending in PLAIN else None,
    )


def ask_for_snapshot(campaign: Campaign, actor: User, query: SnapshotQuery) -> Transfer:
    """Queue a snapshot. Raises Invalid when the query cannot be meant."""
    query.check()
    return _queue(campaign, actor, kind=TransferKind.SNAPSHOT, asked=query.as_json())


def ask_for_file(snapshot: Snapshot, actor: User, kind: str, form: str) -> Transfer:
    """Queue the making of a snapshot's file; return what is queued or under way already if somebody asked."""
    asked = {"kind": kind, "form": form}
    alive = Transfer.objects.filter(state__in=[RunState.QUEUED, RunState.RUNNING])
    same = alive.filter(kind=TransferKind.FILE, snapshot=snapshot, asked=asked).first()
    return same or _queue(snapshot.campaign, actor, kind=TransferKind.FILE, asked=asked, snapshot=snapshot)


@transaction.atomic
def _queue(campaign: Campaign, actor: User, **about: Any) -> Transfer:
    language = get_language() or settings.LANGUAGE_CODE
    transfer = Transfer.objects.create(campaign=campaign, created_by=actor, language=language, **about)
    ring_transfer(transfer.pk)
    return transfer


def cancel(transfer: Transfer, actor: User) -> None:
    """End a waiting transfer, or ask whoever works on it to stop. Raises Refused for one that is over."""
    now = timezone.now()
    with transaction.atomic():
        waiting = Transfer.objects.filter(pk=transfer.pk, state=RunState.QUEUED)
        if waiting.update(state=RunState.CANCELLED, finished_at=now, cancel_requested_at=now):
            transaction.on_commit(partial(_remove_upload, transfer))
        elif not Transfer.objects.filter(pk=transfer.pk, state=RunState.RUNNING).update(
            cancel_requested_at=now
        ):
            raise Refused(_("This is over; there is nothing to cancel."))
        record(actor, "cancelled", transfer)


def retry(transfer: Transfer, actor: User, keep_good: bool = False) -> None:
    """Queue a failed transfer again, of an import with its good lines alone if asked to.

    Raises Refused for one that did not fail, or whose upload is no longer kept.
    """
    if transfer.location and not Path(transfer.location).exists():
        raise Refused(_("The file is no longer kept; upload it again."))
    asked = transfer.asked | ({"keep_good": True} if keep_good else {})
    fresh = {"rows": 0, "bytes": 0, "refused": 0, "problems": [], "reason": ""}
    with transaction.atomic():
        over = Transfer.objects.filter(pk=transfer.pk, state=RunState.FAILED)
        if not over.update(
            state=RunState.QUEUED, finished_at=None, cancel_requested_at=None, asked=asked, **fresh
        ):
            raise Refused(_("Only what failed can be tried again."))
        record(actor, "retried", transfer)
        ring_transfer(transfer.pk)


def begin(pk: int) -> Transfer | None:
    """Take a waiting transfer, or return None: another one is worked on, or this one is over."""
    working = Transfer.objects.filter(state=RunState.RUNNING)
    taken = Transfer.objects.filter(~Exists(working), pk=pk, state=RunState.QUEUED).update(
        state=RunState.RUNNING, attempts=F("attempts") + 1, heartbeat_at=timezone.now()
    )
    if not taken:
        return None
    return Transfer.objects.select_related("campaign", "created_by").get(pk=pk)


def mine(transfer: Transfer) -> QuerySet[Transfer]:
    """Return the row while it is this attempt's: running, and given to nobody else since."""
    return Transfer.objects.filter(pk=transfer.pk, state=RunState.RUNNING, attempts=transfer.attempts)


def end(transfer: Transfer, state: RunState, reason: str = "", **said: Any) -> None:
    """End a transfer and let the next one begin. What failed keeps its upload for another try."""
    with transaction.atomic():
        if not mine(transfer).update(state=state, reason=reason, finished_at=timezone.now(), **said):
            return
        if state != RunState.FAILED:
            transaction.on_commit(partial(_remove_upload, transfer))
        ring_for_waiting()


def give_back(transfer: Transfer) -> None:
    """Queue a transfer again: its worker is stopping."""
    mine(transfer).update(state=RunState.QUEUED, heartbeat_at=None, rows=0, bytes=0, refused=0)


def ring_for_waiting() -> None:
    """Ring for the transfer that waits longest; a bell too many does no harm."""
    waiting = Transfer.objects.filter(state=RunState.QUEUED).order_by("pk").values_list("pk", flat=True)
    for pk in waiting[:1]:
        ring_transfer(pk)


def find_lost() -> int:
    """End what nobody works on any more, and remove uploads nobody came back for; return how many."""
    now = timezone.now()
    silent = Transfer.objects.filter(state=RunState.RUNNING, heartbeat_at__lt=now - LOST_AFTER)
    words = _("The worker stopped in the middle. Nothing was written; try again.")
    found = silent.update(state=RunState.FAILED, reason=words, finished_at=now)
    left = Transfer.objects.filter(state=RunState.FAILED, finished_at__lt=now - KEPT_AFTER_FAILURE)
    for transfer in left.exclude(location=""):
        _remove_upload(transfer)
    return found


def _remove_upload(transfer: Transfer) -> None:
    if transfer.location:
        shutil.rmtree(Path(transfer.location).parent, ignore_errors=True)
        Transfer.objects.filter(pk=transfer.pk).update(location="")
