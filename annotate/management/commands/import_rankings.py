"""Import rankings with their prompts, completions and demonstrations."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from annotate.management import importing


class Command(BaseCommand):
    help = "Import rankings with their prompts, completions and demonstrations; all of the file or nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        importing.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        importing.run(self, "rankings", options)
