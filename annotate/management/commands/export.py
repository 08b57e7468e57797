"""Export a campaign's rows in the wire formats, or as training reads them."""

import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError

from annotate import datasets, tables
from annotate.models import Campaign, Purpose

EVERY = 10_000


class Command(BaseCommand):
    help = (
        "Export a campaign's rows, to a file or else to the standard output. rankings, demonstrations and "
        "prompts can be imported again; comparisons, unpaired, sft and rated (rated 7) have TRL's columns."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("kind", choices=list(datasets.KINDS))
        parser.add_argument("--format", choices=tables.FORMATS, default="jsonl", dest="form")
        parser.add_argument("--campaign", required=True, help="its name")
        parser.add_argument(
            "--only-reviews", action="store_true", help="of reviewed prompts the review alone"
        )
        parser.add_argument(
            "--purpose",
            choices=Purpose.values,
            default=Purpose.DATA,
            help="of which rankings: data, or else those alone that checked labelers (gold, repeat)",
        )
        parser.add_argument("--out", type=Path, help="a file, there whole or not at all")

    def handle(self, *args: Any, **options: Any) -> None:
        campaign = Campaign.objects.filter(name=options["campaign"]).first()
        if campaign is None:
            raise CommandError(f"There is no campaign named {options['campaign']}.")
        chosen = datasets.of_campaign(
            campaign, only_reviews=options["only_reviews"], purpose=options["purpose"]
        )
        lines = datasets.lines(options["kind"], chosen)
        with _opened(options["out"]) as file:
            tables.write(options["kind"], options["form"], _told(lines), file)


def _told(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Pass the lines on, and say how many there were so far."""
    count = 0
    for line in lines:
        count += 1
        if count % EVERY == 0:
            print(f"{count} rows", file=sys.stderr)
        yield line
    print(f"{count} rows in all", file=sys.stderr)


@contextmanager
def _opened(path: Path | None) -> Iterator[IO[bytes]]:
    if path is None:
        yield sys.stdout.buffer
        return
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(path)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)
