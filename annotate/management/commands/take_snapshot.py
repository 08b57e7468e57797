"""Take a snapshot of a campaign, or of the part that a query names."""

import json
from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotate.actions.snapshots import take_snapshot
from annotate.errors import Refused
from annotate.models import Campaign, Split
from annotate.snapshot_query import SnapshotQuery


class Command(BaseCommand):
    help = "Write what a campaign has so far as files that never change, and print their folder and manifest."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--campaign", required=True, help="its name")
        parser.add_argument("--also", action="append", default=[], help="another campaign's name; repeat it")
        parser.add_argument("--since", type=date.fromisoformat, help="the first day, such as 2026-03-01")
        parser.add_argument("--until", type=date.fromisoformat, help="the last day")
        parser.add_argument("--labeler", action="append", default=[], help="whose answers; repeat it")
        parser.add_argument("--split", action="append", default=[], choices=Split.values)
        parser.add_argument("--instructions", action="append", default=[], type=int, help="a version")
        parser.add_argument("--agreement", type=float, help="rankings of prompts with at least this share")
        parser.add_argument(
            "--keep-single", action="store_true", help="also of prompts where nobody can be compared"
        )
        parser.add_argument(
            "--only-reviews", action="store_true", help="of reviewed prompts the review alone"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        campaign = _campaign(options["campaign"])
        query = SnapshotQuery(
            campaigns=[_campaign(name) for name in options["also"]],
            since=options["since"],
            until=options["until"],
            labelers=options["labeler"],
            splits=options["split"],
            instructions=options["instructions"],
            agreement=options["agreement"],
            keep_single=options["keep_single"],
            only_reviews=options["only_reviews"],
        )
        try:
            snapshot = take_snapshot(campaign, None, query)
        except Refused as error:
            raise CommandError(str(error)) from error
        about = {"sha256": snapshot.sha256, "location": snapshot.location, "query": snapshot.query}
        self.stdout.write(json.dumps(about | {"manifest": snapshot.manifest}))


def _campaign(name: str) -> Campaign:
    campaign = Campaign.objects.filter(name=name).first()
    if campaign is None:
        raise CommandError(f"There is no campaign named {name}.")
    return campaign
