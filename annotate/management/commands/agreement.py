"""Say how far a campaign's labelers agree."""

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotate.agreement_report import Report
from annotate.figures import Figure
from annotate.judged import agreement
from annotate.models import Campaign


class Command(BaseCommand):
    help = "Say how far a campaign's labelers agree, with 95 % intervals; what its page says, for scripts."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("campaign", help="its name")
        parser.add_argument("--json", action="store_true", help="every figure as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        campaign = Campaign.objects.filter(name=options["campaign"]).first()
        if campaign is None:
            raise CommandError(f"There is no campaign named {options['campaign']}.")
        report = agreement(campaign)
        self.stdout.write(json.dumps(asdict(report)) if options["json"] else "\n".join(_lines(report)))


def _lines(report: Report) -> Iterator[str]:
    share, margin = report.paper_agreement
    yield f"{report.rankings} rankings by {len(report.labelers)} labelers"
    yield f"agreement, ties left out: {_words(report.agreement)} (paper: {share:.1%} +- {margin:.1%})"
    yield f"agreement, ties counted: {_words(report.agreement_with_ties)}"
    yield f"Kendall tau-b: {_words(report.tau_b, '.3f')}"
    yield f"self-consistency: {_words(report.self_consistency)}"
    yield f"accuracy on gold items: {_words(report.gold_accuracy)}"
    yield f"alpha of the ratings: {_words(report.rating_alpha, '.3f')}"
    yield f"the completion shown earlier is chosen: {_words(report.earlier_chosen)}"
    yield f"the longer completion is chosen: {_words(report.longer_chosen)}"
    for one in report.labelers:
        yield f"{one.labeler}, {one.rankings} rankings: {_words(one.agreement)}"


def _words(figure: Figure, style: str = ".1%") -> str:
    if not figure.is_enough:
        return f"not enough overlap yet: {figure.prompts} prompts of the {figure.needed} needed"
    if figure.value is None:
        return "no number: all answers are the same"
    interval = f" ({figure.low:{style}} to {figure.high:{style}})" if figure.low is not None else ""
    return f"{figure.value:{style}}{interval}, {figure.prompts} prompts"
