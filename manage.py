#!/usr/bin/env python
"""Podium's command line; it starts the embedded servers when no outside ones are named."""

import os
import sys

from annotate import embedded


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotate.settings")
    if not set(sys.argv[1:2]) <= embedded.COMMANDS_WITHOUT_SERVERS:
        embedded.start()
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
