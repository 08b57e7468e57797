"""Import prompts, to be sampled or not."""

from argparse import ArgumentParser, BooleanOptionalAction
from typing import Any

from django.core.management.base import BaseCommand

from annotate.management import importing


class Command(BaseCommand):
    help = "Import prompts; all of the file or nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        importing.add_arguments(parser)
        parser.add_argument(
            "--sample",
            action=BooleanOptionalAction,
            help="sample completions for them (by default: yes, if the campaign has a policy); "
            "--no-sample where the completions come from a rankings file",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        importing.run(self, "prompts", options, options["sample"])
