"""Questions about one labeler's day in a campaign; nothing here writes."""

from datetime import datetime
from statistics import median
from typing import NamedTuple

from django.utils import timezone

from annotate.models import Campaign, ClaimState, Demonstration, Instructions, Ranking, User

Kind = type[Ranking] | type[Demonstration]


class Today(NamedTuple):
    """What one labeler did today, and the median time of one item."""

    done: int
    pace: str
    """Minutes and seconds; empty before the first answer."""


class Change(NamedTuple):
    """Two versions of a campaign's instructions: the one last worked under, and the newest."""

    old: Instructions
    new: Instructions


def done_today(kind: Kind, campaign: Campaign, labeler: User) -> Today:
    answers = kind._default_manager.filter(
        labeler=labeler, prompt__campaign=campaign, state=ClaimState.SUBMITTED, submitted_at__gte=midnight()
    )
    times = list(answers.order_by().values_list("seconds", flat=True))
    known = [seconds for seconds in times if seconds is not None]
    return Today(len(times), minutes(median(known)) if known else "")


def midnight() -> datetime:
    """Return when today began, in the installation's time zone."""
    return timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)


def minutes(seconds: float) -> str:
    whole, rest = divmod(round(seconds), 60)
    return f"{whole}:{rest:02}"


def changed_instructions(kind: Kind, campaign: Campaign, labeler: User) -> Change | None:
    """Return what changed since the version this labeler last answered under, None if nothing did."""
    answers = kind._default_manager.filter(
        labeler=labeler, prompt__campaign=campaign, state=ClaimState.SUBMITTED, instructions__isnull=False
    )
    last = answers.order_by("-submitted_at").select_related("instructions").first()
    newest = campaign.instructions.first()
    if last is None or last.instructions is None or newest is None or last.instructions == newest:
        return None
    return Change(last.instructions, newest)
