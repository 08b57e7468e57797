"""Taking snapshots: a campaign's rows written once as files in the wire formats, and frozen in the tables."""

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import connection, transaction
from django.utils import translation
from django.utils.translation import gettext as _

from annotate import datasets, pieces, snapshot_counts, snapshot_facts
from annotate.actions.audit import record
from annotate.comparisons import count_comparisons
from annotate.data_card import card
from annotate.datasets import Batch, Chosen, Query
from annotate.errors import Refused
from annotate.models import Campaign, Demonstration, Prompt, Ranking, Snapshot, User
from annotate.snapshot_query import EVERYTHING, SnapshotQuery, choose

Manifest = dict[str, dict[str, Any]]
ANSWERS = {"rankings": Ranking._meta.db_table, "demonstrations": Demonstration._meta.db_table}
FREEZE = """
UPDATE {table} AS answer SET frozen_at = now() FROM chosen_{kind} AS chosen
WHERE answer.id = chosen.id AND answer.frozen_at IS NULL AND answer.state = 'submitted'
"""
# Whoever was quicker than the freezing took their answer back.
FORGET_TAKEN_BACK = """
DELETE FROM chosen_{kind} AS chosen USING {table} AS answer
WHERE answer.id = chosen.id AND answer.frozen_at IS NULL
"""
ANY_CHOSEN = "SELECT " + " OR ".join(f"EXISTS (TABLE chosen_{kind})" for kind in datasets.WIRE)


@transaction.atomic
def take_snapshot(
    campaign: Campaign,
    actor: User | None,
    query: SnapshotQuery = EVERYTHING,
    on_progress: Callable[[int, int], None] = lambda rows, total: None,
) -> Snapshot:
    """Write what has been submitted so far; return the snapshot, an earlier one where nothing has changed.

    Everything read is frozen first: nobody can change a frozen answer, so what is read stays one state of
    affairs however long the writing takes, and who submits meanwhile is in the next snapshot.

    Args:
        query: which of it, and of which other campaigns besides.
        on_progress: called now and then with how many rows of how many are read.

    Raises:
        Invalid: the query cannot be meant.
        Refused: nothing fits it.
    """
    query.check()
    campaigns = sorted({campaign, *query.campaigns}, key=lambda one: one.pk)
    list(Campaign.objects.select_for_update(no_key=True).filter(pk__in=[one.pk for one in campaigns]))
    if not Prompt.objects.filter(campaign__in=campaigns).exists():
        raise Refused(_("There is nothing to take a snapshot of: the campaign has no prompts."))
    chosen = _freeze(choose(campaign, query))
    _refuse_nothing(query)
    about = _write_all(chosen, campaigns, query, on_progress)
    about |= {"query": query.as_json(), "created_by": actor}
    sha256 = about.pop("sha256")
    snapshot, is_new = Snapshot.objects.get_or_create(campaign=campaign, sha256=sha256, defaults=about)
    if is_new:
        record(actor, "took", snapshot, sha256=sha256)
        with translation.override("en"):
            (Path(snapshot.location) / "card.md").write_text(card(snapshot), encoding="utf-8")
    return snapshot


def _write_all(
    chosen: Chosen, campaigns: list[Campaign], query: SnapshotQuery, on_progress: Callable[[int, int], None]
) -> dict[str, Any]:
    """Write the snapshot's folder; return its manifest, its card's facts, its hash and where it lies."""
    counts = {kind: snapshot_counts.counts(kind) for kind in datasets.WIRE}
    tell = _Teller(on_progress, total=sum(sum(each["sources"].values()) for each in counts.values()))
    with _folder_beside() as folder, pieces.rankings(chosen) as apart:
        write = partial(_write, folder, tell)
        with ThreadPoolExecutor(1) as pool:
            beside = pool.submit(write, "rankings", apart) if apart else None
            # Before the files, which leave the planner told to read by index alone.
            facts = snapshot_facts.facts(campaigns, counts["rankings"]["instructions"])
            here = [kind for kind in datasets.WIRE if not (beside and kind == "rankings")]
            written = {kind: write(kind, datasets.batches(kind, chosen)) for kind in here}
        if beside:
            written["rankings"] = beside.result()
        manifest = {kind: written[kind] | counts[kind] for kind in datasets.WIRE}
        sha256 = _describe(folder, manifest, query)
        location = str(_put_in_place(folder, sha256))
    return {"manifest": manifest, "facts": facts, "sha256": sha256, "location": location}


def _refuse_nothing(query: SnapshotQuery) -> None:
    """Raise Refused where a query leaves nothing in."""
    with connection.cursor() as cursor:
        cursor.execute(ANY_CHOSEN)
        (any_chosen,) = cursor.fetchone()
    if query.as_json() and not any_chosen:
        raise Refused(_("Nothing fits this query; leave some of it out."))


def _freeze(chosen: Chosen) -> Chosen:
    """Write the chosen ids down until the transaction ends, and freeze their answers."""
    with connection.cursor() as cursor:
        for kind, (ids, params) in chosen.ids.items():
            cursor.execute(f"DROP TABLE IF EXISTS chosen_{kind}")
            cursor.execute(f"CREATE TEMPORARY TABLE chosen_{kind} (id bigint) ON COMMIT DROP")
            cursor.execute(f"INSERT INTO chosen_{kind} {ids}", params)
            cursor.execute(f"ANALYZE chosen_{kind}")
        for kind, table in ANSWERS.items():
            cursor.execute(FREEZE.format(kind=kind, table=table))
            cursor.execute(FORGET_TAKEN_BACK.format(kind=kind, table=table))
        # The rankings' lines ask for one demonstration each.
        cursor.execute("CREATE INDEX ON chosen_demonstrations (id)")
        cursor.execute("SELECT EXISTS (TABLE chosen_demonstrations)")
        (is_any_written,) = cursor.fetchone()
    written = "written.id IN (SELECT id FROM chosen_demonstrations)" if is_any_written else "false"
    frozen: dict[str, Query] = {kind: (f"TABLE chosen_{kind} ORDER BY id", ()) for kind in chosen.ids}
    return chosen._replace(ids=frozen, written=written)


def snapshots_folder() -> Path:
    folder: Path = settings.DATA_DIR / "snapshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _folder_beside() -> Iterator[Path]:
    """Give a folder to write in beside the finished ones; what is left of it at the end is removed.

    Its name is held until the transaction ends, wherever its process runs: a folder whose name nobody holds
    was left by one that was killed, and is removed too.
    """
    for left in snapshots_folder().glob("*.partial"):
        if _hold(left.name):
            shutil.rmtree(left, ignore_errors=True)
    folder = snapshots_folder() / f"{uuid4().hex}.partial"
    _hold(folder.name)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _hold(name: str) -> bool:
    """Take the database's lock on a name until the transaction ends; return False where another has it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [name])
        (is_held,) = cursor.fetchone()
    return bool(is_held)


class _Teller:
    """Passes batches on, and tells how many of the snapshot's rows there were so far, of all kinds."""

    def __init__(self, on_progress: Callable[[int, int], None], total: int) -> None:
        self.on_progress, self.total = on_progress, total
        self.rows = dict.fromkeys(datasets.WIRE, 0)

    def of(self, kind: str, batches: Iterable[Batch]) -> Iterator[Batch]:
        for one in batches:
            yield one
            self.rows[kind] += one.counted.total()
            self.on_progress(sum(self.rows.values()), self.total)


def _write(folder: Path, tell: _Teller, kind: str, batches: Iterable[Batch]) -> dict[str, Any]:
    """Write one file; return what the manifest says of it."""
    digest, size = hashlib.sha256(), 0
    counted: Counter[tuple[bytes, bytes]] = Counter()
    with (folder / f"{kind}.jsonl").open("wb") as file:
        for batch in tell.of(kind, batches):
            file.write(batch.lines)
            digest.update(batch.lines)
            size += len(batch.lines)
            counted += batch.counted
        file.flush()
        os.fsync(file.fileno())
    about = {"rows": counted.total(), "sha256": digest.hexdigest(), "bytes": size, "splits": _splits(counted)}
    return about | ({"comparisons": _comparisons(counted)} if kind == "rankings" else {})


def _splits(counted: Counter[tuple[bytes, bytes]]) -> dict[str, int]:
    splits: Counter[str] = Counter()
    for (split, _ranks), count in counted.items():
        splits[split.decode()] += count
    return dict(sorted(splits.items()))


def _comparisons(counted: Counter[tuple[bytes, bytes]]) -> int:
    return sum(
        count * count_comparisons([int(rank) for rank in ranks.split(b",")])
        for (_split, ranks), count in counted.items()
    )


def _describe(folder: Path, manifest: Manifest, query: SnapshotQuery) -> str:
    """Write the query and the manifest; return the snapshot's hash.

    That is the hash of all files' hashes, in the form that `sha256sum` writes them.
    """
    hashes = {f"{kind}.jsonl": about["sha256"] for kind, about in manifest.items()}
    said = query.as_json()
    if said:
        content = json.dumps(said, ensure_ascii=False, indent=2, sort_keys=True).encode()
        (folder / "query.json").write_bytes(content)
        hashes["query.json"] = hashlib.sha256(content).hexdigest()
    listed = "".join(f"{digest}  {name}\n" for name, digest in hashes.items())
    sha256 = hashlib.sha256(listed.encode()).hexdigest()
    told = {"sha256": sha256, "query": said, "files": manifest}
    (folder / "manifest.json").write_text(json.dumps(told, indent=2))
    return sha256


def _put_in_place(folder: Path, sha256: str) -> Path:
    """Rename the folder to its hash; one that is there already has the same content."""
    location = snapshots_folder() / sha256
    if not location.exists():
        folder.chmod(0o755)
        folder.rename(location)
    return location
