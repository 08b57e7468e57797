"""What pages show of a campaign: read now while it is small, else as a worker last worked it out."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
from django.utils.translation import gettext as _

from annotate import sql
from annotate.agreement_report import Report
from annotate.collected import Collected, collected
from annotate.errors import Refused
from annotate.judged import agreement
from annotate.models import Campaign, KeptFigures, User
from annotate.progress import Glance, glance
from annotate.reviewed import Waiting, to_review, waiting
from annotate.win_rates import WinRates, win_rates

T = TypeVar("T")

LIVE_PROMPTS = 500
LIVE_RANKINGS = 1500
"""So much is read within a tenth of a second."""
# No more rows are read than tell whether it is small.
SIZE = """
SELECT count(*), coalesce(sum(rankings_held + demonstrations_held), 0)
FROM (SELECT rankings_held, demonstrations_held FROM annotate_prompt WHERE campaign_id = %s LIMIT %s) AS few
"""


class Subject(NamedTuple, Generic[T]):
    """Something that is worked out of all of a campaign's rows."""

    name: str
    kind: type[T]
    work_out: Callable[[Campaign], T]


class Shown(NamedTuple, Generic[T]):
    """What a page can show of a subject at once."""

    figures: T | None
    """None until they are worked out for the first time."""
    kept: KeptFigures | None
    """None for figures of this moment."""

    @property
    def as_of(self) -> datetime | None:
        return self.kept.as_of if self.kept else None

    def told(self) -> T:
        """Return the figures, or raise Refused where there are none yet."""
        if self.figures is None:
            problem = _("The figures of this big campaign are not worked out yet; ask again in some minutes.")
            raise Refused(problem)
        return self.figures


PROGRESS = Subject("progress", Glance, glance)
TABLES = Subject("tables", Collected, collected)
AGREEMENT = Subject("agreement", Report, agreement)
REVIEW = Subject("review", list[int], to_review)
WIN_RATES = Subject("win_rates", WinRates, win_rates)
ALL = (PROGRESS, TABLES, AGREEMENT, WIN_RATES, REVIEW)
SUBJECTS: dict[str, Subject[Any]] = {each.name: each for each in ALL}


def shown(campaign: Campaign, subject: Subject[T]) -> Shown[T]:
    if is_small(campaign):
        return Shown(subject.work_out(campaign), None)
    row = KeptFigures.objects.filter(campaign=campaign, subject=subject.name).first()
    kept = row or KeptFigures(campaign=campaign, subject=subject.name)
    figures = read(kept.figures, subject)
    if figures is None:
        kept.as_of = None
    return Shown(figures, kept)


def is_small(campaign: Campaign) -> bool:
    row = sql.one(SIZE, [campaign.pk, LIVE_PROMPTS + 1])
    assert row is not None, "a count is always one row"
    prompts, answers = row
    return bool(prompts <= LIVE_PROMPTS and answers <= LIVE_RANKINGS)


def waiting_for(campaign: Campaign, reviewer: User) -> list[Waiting]:
    """Return the first prompts that this person may review, of those known to ask for a review."""
    return waiting(campaign, reviewer, shown(campaign, REVIEW).figures or [])


def written(figures: object) -> Any:
    """Return figures as JSON has them."""
    return msgspec.to_builtins(figures)


def read(figures: Any, subject: Subject[T]) -> T | None:
    """Return figures from what `written` made of them; None for none, or what another release wrote."""
    try:
        return msgspec.convert(figures, subject.kind)
    except msgspec.ValidationError:
        return None
