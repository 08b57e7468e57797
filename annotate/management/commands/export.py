"""Export a campaign's rows in the wire formats."""

import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError

from annotate import datasets
from annotate.models import Campaign

EVERY = 1000


class Command(BaseCommand):
    help = (
        "Export a campaign's rows as JSON Lines in the wire formats: to a file, else to the standard output."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("kind", choices=list(datasets.KINDS))
        parser.add_argument("--campaign", required=True, help="its name")
        parser.add_argument("--out", type=Path, help="a file, there whole or not at all")

    def handle(self, *args: Any, **options: Any) -> None:
        campaign = Campaign.objects.filter(name=options["campaign"]).first()
        if campaign is None:
            raise CommandError(f"There is no campaign named {options['campaign']}.")
        count = 0
        with _opened(options["out"]) as file:
            for line in datasets.lines(options["kind"], campaign):
                file.write(line)
                count += 1
                if count % EVERY == 0:
                    print(f"{count} rows", file=sys.stderr)
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
