"""Prepare the policy that new campaigns begin with."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotate.actions.checkpoints import ensure_base_policy
from annotate.errors import Refused


class Command(BaseCommand):
    help = "Prepare the base policy that PODIUM_BASE names, once; needs the learning side installed."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            policy = ensure_base_policy(self.stdout.write)
        except Refused as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{policy.name}: {policy.location}")
