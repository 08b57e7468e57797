"""export-jsonl, export-parquet and snapshot: a million rankings (K = 4, 60 words) written to files."""

import os
import time
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

from django.conf import settings

from annotate import datasets, tables
from annotate.actions.snapshots import take_snapshot
from annotate.models import Campaign
from benchmarks import rows
from benchmarks.measuring import apart, compared

RANKINGS = int(os.environ.get("BENCHMARK_RANKINGS", 999_999))
"""A multiple of three, which a prompt gets."""
LABEL_STUDIO_A_SECOND = 610
"""Label Studio 1.23.2's export of 10,000 annotations on a machine of this kind, at 660 MB."""
LIMIT_A_SECOND = 10_000
LIMIT_MB = 300


@cache
def campaign() -> Campaign:
    return rows.fill_answered("a million", RANKINGS)


def export_jsonl() -> dict[str, object]:
    return told(*exported("jsonl"))


def export_parquet() -> dict[str, object]:
    return told(*exported("parquet"))


def snapshot() -> dict[str, object]:
    """Take the first snapshot, which freezes every answer too; its peer is the export to JSON Lines."""
    (count, seconds, _size), _peak = exported("jsonl")
    return told(*apart(partial(take, campaign().pk)), peer=round(count / seconds, 3)) | {"limit_ratio": 1}


@cache
def exported(form: str) -> tuple[tuple[int, float, int], float]:
    with TemporaryDirectory(dir=settings.DATA_DIR) as folder:
        return apart(partial(export, campaign().pk, form, Path(folder) / "rankings"))


def export(pk: int, form: str, path: Path) -> tuple[int, float, int]:
    """Return how many rankings were written, in how many seconds, and the file's bytes."""
    began = time.monotonic()
    chosen = datasets.of_campaign(Campaign.objects.get(pk=pk))
    with path.open("wb") as file:
        tables.write("rankings", form, datasets.lines("rankings", chosen), file)
    return RANKINGS, time.monotonic() - began, path.stat().st_size


def take(pk: int) -> tuple[int, float, int]:
    began = time.monotonic()
    about = take_snapshot(Campaign.objects.get(pk=pk), None).manifest["rankings"]
    return about["rows"], time.monotonic() - began, about["bytes"]


def told(
    work: tuple[int, float, int], peak_mb: float, peer: float = LABEL_STUDIO_A_SECOND
) -> dict[str, object]:
    count, seconds, size = work
    return compared(count / seconds, peer, "rankings a second") | {
        "limit": LIMIT_A_SECOND,
        "rankings": count,
        "seconds": round(seconds, 1),
        "megabytes": round(size / 1e6),
        "peak_mb": peak_mb,
        "limit_mb": LIMIT_MB,
    }
