"""Django's makemessages, which also takes what annotate/stages.json says of each setting."""

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from django.core.management.commands import makemessages

from annotate.configs import descriptions


class Command(makemessages.Command):
    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        ignored = [".venv", ".podium", "tests", "trainer"]
        parser.set_defaults(locale=["zh_Hans"], ignore_patterns=ignored)
        parser.set_defaults(no_location=True, no_obsolete=True, no_wrap=True)

    def process_files(self, file_list: list[Any]) -> None:
        super().process_files(file_list)
        entries = [f'\nmsgid {json.dumps(text)}\nmsgstr ""\n' for text in descriptions()]
        template = Path(settings.LOCALE_PATHS[0]) / "django.pot"
        makemessages.write_pot_file(str(template), "".join(entries))
