"""Add a person; the way to the first admin of an installation."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotate.actions.people import invite
from annotate.errors import Refused
from annotate.models import Role


class Command(BaseCommand):
    help = "Add a person and print their first password."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--role", choices=Role.values, default=Role.LABELER)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            person, password = invite(None, options["username"], options["role"])
        except Refused as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{person.username} ({person.role}) signs in with: {password}")
