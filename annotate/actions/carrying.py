"""Working on a transfer: files in, snapshots and their files, and how far that is written to its row."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import DatabaseError, connection, transaction
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from annotate.actions import snapshot_files, transfers
from annotate.actions.imports import import_file
from annotate.actions.snapshots import take_snapshot
from annotate.errors import Refused
from annotate.models import RunState, Transfer, TransferKind
from annotate.snapshot_query import SnapshotQuery

REPORT_SECONDS = 1.0
KEPT_PROBLEMS = 10_000


class Stopped(Exception):
    """Whoever works on a transfer is to leave it; the transaction is undone."""


class Progress:
    """How far a transfer is, counted by who works on it and reported by a thread of its own.

    The work is one transaction, of which no other connection sees anything before its end.
    """

    def __init__(self, transfer: Transfer, is_stopping: Callable[[], bool]) -> None:
        self.transfer, self.is_stopping = transfer, is_stopping
        self.rows = self.bytes = self.refused = 0
        self.total_rows: int | None = None
        self.problems: list[tuple[int, str]] = []
        self.is_cancelled = self.is_taken = False

    def tell(self, rows: int, size: int) -> None:
        """Note how many rows and bytes are done; raise Stopped where the work is to end."""
        self.rows, self.bytes = rows, size
        if self.is_cancelled or self.is_taken or self.is_stopping():
            raise Stopped

    def tell_of(self, rows: int, total: int) -> None:
        self.total_rows = total
        self.tell(rows, 0)

    def refuse(self, line: int, problem: str) -> None:
        self.refused += 1
        if len(self.problems) < KEPT_PROBLEMS:
            self.problems.append((line, problem))

    def report(self) -> None:
        """Write it to the row, and read there whether to go on."""
        said = {"rows": self.rows, "bytes": self.bytes, "refused": self.refused}
        said |= {"total_rows": self.total_rows} if self.total_rows is not None else {}
        if transfers.mine(self.transfer).update(heartbeat_at=timezone.now(), **said):
            asked = Transfer.objects.filter(pk=self.transfer.pk, cancel_requested_at__isnull=False)
            self.is_cancelled = asked.exists()
        else:
            # A row that is gone went with its campaign, and the transaction fails by itself.
            self.is_taken = Transfer.objects.filter(pk=self.transfer.pk).exists()


@contextmanager
def reported(progress: Progress) -> Iterator[None]:
    """Report every second for as long as the block lasts."""
    is_over = threading.Event()

    def go_on() -> None:
        try:
            while not is_over.wait(REPORT_SECONDS):
                progress.report()
        finally:
            connection.close()

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def work(pk: int, is_stopping: Callable[[], bool] = lambda: False) -> None:
    """Work on a waiting transfer until it ends; is_stopping says when its worker has to leave."""
    transfer = transfers.begin(pk)
    if transfer is None:
        return
    progress = Progress(transfer, is_stopping)
    try:
        with translation.override(transfer.language), reported(progress):
            carry(transfer, progress)
    except Stopped:
        _leave(transfer, progress)
    except Refused as error:
        _fail(transfer, progress, str(error))
    except (DatabaseError, OSError, MemoryError) as error:
        _fail(transfer, progress, f"{type(error).__name__}: {error}")
        raise


def carry(transfer: Transfer, progress: Progress) -> None:
    """Do what was asked for and end the transfer well, all of it or nothing."""
    if transfer.kind == TransferKind.SNAPSHOT:
        _take(transfer, progress)
        return
    with transaction.atomic():
        if transfer.kind == TransferKind.FILE:
            _make_file(transfer, progress)
            transfers.end(transfer, RunState.SUCCEEDED, rows=progress.rows, total_rows=progress.total_rows)
        else:
            _take_in(transfer, progress)


def _take(transfer: Transfer, progress: Progress) -> None:
    """Take a snapshot, in a transaction of its own: within another it could not be read in pieces.

    Who is killed between the two leaves a transfer that finds the same snapshot at its next try.
    """
    query = SnapshotQuery.of(transfer.asked)
    snapshot = take_snapshot(transfer.campaign, transfer.created_by, query, progress.tell_of)
    transfers.end(transfer, RunState.SUCCEEDED, rows=progress.rows, snapshot=snapshot)


def _make_file(transfer: Transfer, progress: Progress) -> None:
    snapshot, asked = transfer.snapshot, transfer.asked
    assert snapshot is not None, "a snapshot is never deleted but with its campaign"
    if not Path(snapshot.location).exists():
        raise Refused(_("The snapshot's folder is not on this machine: bring it back, then try again."))
    # One transfer is worked on at a time, so what is half-written is nobody's.
    snapshot_files.clear_left(snapshot, asked["kind"], asked["form"])
    snapshot_files.make(snapshot, asked["kind"], asked["form"], progress.tell_of)


def _take_in(transfer: Transfer, progress: Progress) -> None:
    asked = transfer.asked
    done = import_file(
        asked["kind"],
        Path(transfer.location),
        transfer.campaign,
        transfer.created_by,
        keep_good=asked["keep_good"],
        on_progress=progress.tell,
        on_refused=progress.refuse,
    )
    said: dict[str, Any] = {"refused": progress.refused, "problems": progress.problems}
    said |= {"result": done.counts}
    transfers.end(transfer, RunState.SUCCEEDED, rows=done.rows, bytes=progress.bytes, **said)


def _fail(transfer: Transfer, progress: Progress, reason: str) -> None:
    said: dict[str, Any] = {"refused": progress.refused, "problems": progress.problems}
    said |= {"rows": progress.rows}
    transfers.end(transfer, RunState.FAILED, reason, **said)


def _leave(transfer: Transfer, progress: Progress) -> None:
    if progress.is_cancelled:
        transfers.end(transfer, RunState.CANCELLED)
    elif not progress.is_taken:
        transfers.give_back(transfer)
