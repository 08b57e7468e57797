"""Take a snapshot of a campaign."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotate.actions.snapshots import take_snapshot
from annotate.errors import Refused
from annotate.models import Campaign


class Command(BaseCommand):
    help = "Write what a campaign has so far as files that never change, and print their folder and manifest."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--campaign", required=True, help="its name")

    def handle(self, *args: Any, **options: Any) -> None:
        campaign = Campaign.objects.filter(name=options["campaign"]).first()
        if campaign is None:
            raise CommandError(f"There is no campaign named {options['campaign']}.")
        try:
            snapshot = take_snapshot(campaign, None)
        except Refused as error:
            raise CommandError(str(error)) from error
        about = {"sha256": snapshot.sha256, "location": snapshot.location, "manifest": snapshot.manifest}
        self.stdout.write(json.dumps(about))
