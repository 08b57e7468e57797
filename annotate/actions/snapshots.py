"""Taking snapshots: a campaign's rows written once as files in the wire formats, and frozen in the tables."""

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotate import datasets
from annotate.actions.audit import record
from annotate.comparisons import count_comparisons
from annotate.errors import Refused
from annotate.models import Campaign, ClaimState, Demonstration, Prompt, Ranking, Snapshot, User

KINDS = ("rankings", "demonstrations", "prompts")
Manifest = dict[str, dict[str, Any]]


@transaction.atomic
def take_snapshot(campaign: Campaign, actor: User | None) -> Snapshot:
    """Write what has been submitted so far; return the snapshot, an earlier one where nothing has changed.

    Everything read is frozen first: nobody can change a frozen answer, so what is read stays one state of
    affairs however long the writing takes, and who submits meanwhile is in the next snapshot.
    """
    Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    if not Prompt.objects.filter(campaign=campaign).exists():
        raise Refused(_("There is nothing to take a snapshot of: the campaign has no prompts."))
    unread = {"prompt__campaign": campaign, "state": ClaimState.SUBMITTED, "frozen_at": None}
    Ranking.objects.filter(**unread).update(frozen_at=timezone.now())
    Demonstration.objects.filter(**unread).update(frozen_at=timezone.now())
    with _folder_beside() as folder:
        manifest = {kind: _write(folder / f"{kind}.jsonl", kind, campaign) for kind in KINDS}
        sha256 = _sha256(manifest)
        (folder / "manifest.json").write_text(json.dumps({"sha256": sha256, "files": manifest}, indent=2))
        location = _put_in_place(folder, sha256)
    snapshot, is_new = Snapshot.objects.get_or_create(
        campaign=campaign,
        sha256=sha256,
        defaults={"manifest": manifest, "location": str(location), "created_by": actor},
    )
    if is_new:
        record(actor, "took", snapshot, sha256=sha256)
    return snapshot


def snapshots_folder() -> Path:
    folder: Path = settings.DATA_DIR / "snapshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _folder_beside() -> Iterator[Path]:
    """Give a folder to write in beside the finished ones; what is left of it at the end is removed."""
    folder = Path(mkdtemp(suffix=".partial", dir=snapshots_folder()))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write(path: Path, kind: str, campaign: Campaign) -> dict[str, Any]:
    """Write one file; return what the manifest says of it."""
    digest, size, rows, comparisons = hashlib.sha256(), 0, 0, 0
    splits: Counter[str] = Counter()
    with path.open("wb") as file:
        for row in datasets.rows(kind, campaign, only_frozen=True):
            line = datasets.line(row)
            file.write(line)
            digest.update(line)
            size += len(line)
            rows += 1
            splits[row["split"]] += 1
            comparisons += count_comparisons(row.get("ranks", []))
        file.flush()
        os.fsync(file.fileno())
    about = {
        "rows": rows,
        "sha256": digest.hexdigest(),
        "bytes": size,
        "splits": dict(sorted(splits.items())),
    }
    return about | ({"comparisons": comparisons} if kind == "rankings" else {})


def _sha256(manifest: Manifest) -> str:
    """Return the hash of all files' hashes, in the form that `sha256sum` writes them."""
    listed = "".join(f"{about['sha256']}  {kind}.jsonl\n" for kind, about in manifest.items())
    return hashlib.sha256(listed.encode()).hexdigest()


def _put_in_place(folder: Path, sha256: str) -> Path:
    """Rename the folder to its hash; one that is there already has the same content."""
    location = snapshots_folder() / sha256
    if not location.exists():
        folder.chmod(0o755)
        folder.rename(location)
    return location
