"""Which rows a snapshot takes in: of which campaigns, times, labelers, splits, instructions and agreement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import QuerySet
from django.db.models.expressions import RawSQL
from django.utils import timezone
from django.utils.translation import gettext as _

from annotate import datasets
from annotate.datasets import Chosen
from annotate.errors import Invalid
from annotate.models import Campaign, Split, User

# Of all comparisons that two named labelers of a prompt both decided, the share decided alike: of n and m
# who put one completion before the other and behind it, C(n, 2) + C(m, 2) pairs of C(n + m, 2) agree.
# Held-out labelers count, as they do wherever agreement is told.
PROMPTS_BY_AGREEMENT = """
SELECT prompt_id FROM (
    SELECT ranking.prompt_id, count(*) FILTER (WHERE one.rank < other.rank) AS before,
        count(*) FILTER (WHERE one.rank > other.rank) AS behind
    FROM annotate_ranking AS ranking
    JOIN annotate_prompt AS prompt ON prompt.id = ranking.prompt_id
    JOIN annotate_rankedcompletion AS one ON one.ranking_id = ranking.id
    JOIN annotate_rankedcompletion AS other
        ON other.ranking_id = ranking.id AND other.completion_id > one.completion_id
    WHERE prompt.campaign_id = ANY(%s) AND ranking.state = 'submitted' AND ranking.labeler_id IS NOT NULL
        AND NOT ranking.is_review AND ranking.purpose = 'data'
    GROUP BY ranking.prompt_id, one.completion_id, other.completion_id
) AS decided
GROUP BY prompt_id
HAVING sum((before + behind) * (before + behind - 1)) > 0 AND
    (sum(before * (before - 1) + behind * (behind - 1))
        >= %s * sum((before + behind) * (before + behind - 1))) = %s
"""

FIRST_YEAR, LAST_YEAR = 1970, 2999


@dataclass(frozen=True, slots=True)
class SnapshotQuery:
    """What is left out restricts nothing. Held-out labelers' answers are never in."""

    campaigns: Sequence[Campaign] = ()
    """Others besides the snapshot's own."""
    since: date | None = None
    until: date | None = None
    """The last day. Answers are dated by when they were submitted, prompts by when they came in."""
    labelers: Sequence[str] = ()
    """Whose answers; prompts are anyone's."""
    splits: Sequence[str] = ()
    instructions: Sequence[int] = ()
    """The versions that answers were given under; prompts were written under none."""
    agreement: float | None = None
    """Rankings only of prompts whose labelers agree on at least this share of comparisons."""
    keep_single: bool = False
    """Whether to keep rankings of prompts where no two labelers can be compared."""
    only_reviews: bool = False
    """Of prompts that were reviewed, their reviews alone."""

    def as_json(self) -> dict[str, Any]:
        """Return what restricts something, by name."""
        said: dict[str, Any] = {
            "campaigns": sorted(campaign.name for campaign in self.campaigns),
            "since": self.since and self.since.isoformat(),
            "until": self.until and self.until.isoformat(),
            "labelers": sorted(set(self.labelers)),
            "splits": sorted(set(self.splits)),
            "instructions": sorted(set(self.instructions)),
            "only_reviews": self.only_reviews,
        }
        restricting = {name: value for name, value in said.items() if value}
        if self.agreement is not None:
            restricting |= {"agreement": self.agreement, "keep_single": self.keep_single}
        return restricting

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> "SnapshotQuery":
        """Return the query that said this as JSON."""
        named = said.get("campaigns", [])
        campaigns = list(Campaign.objects.filter(name__in=named))
        if len(campaigns) < len(named):
            raise Invalid(_("campaigns: one of them is gone or was renamed; ask again."))
        days = {name: date.fromisoformat(said[name]) for name in ("since", "until") if name in said}
        return cls(**{**said, **days, "campaigns": campaigns})

    def check(self) -> None:
        """Raise Invalid naming what cannot be meant."""
        for name in ("since", "until"):
            day: date | None = getattr(self, name)
            if day and not FIRST_YEAR <= day.year <= LAST_YEAR:
                years = {"name": name, "first": FIRST_YEAR, "last": LAST_YEAR}
                raise Invalid(_("%(name)s: a day of the years %(first)d to %(last)d.") % years)
        if self.since and self.until and self.since > self.until:
            raise Invalid(_("until: lies before since; no day is in between."))
        if self.agreement is not None and not 0 <= self.agreement <= 1:
            raise Invalid(_("agreement: a share from 0 to 1."))
        if unknown := sorted(set(self.splits) - set(Split.values)):
            raise Invalid(_("splits: there is no %(name)s.") % {"name": unknown[0][:40]})
        known = User.objects.filter(username__in=self.labelers).values_list("username", flat=True)
        if unknown := sorted(set(self.labelers) - set(known)):
            raise Invalid(_("labelers: nobody is called %(name)s.") % {"name": unknown[0][:150]})


EVERYTHING = SnapshotQuery()


def choose(campaign: Campaign, query: SnapshotQuery) -> Chosen:
    """Choose what has been submitted so far and fits the query."""
    campaigns = sorted({campaign, *query.campaigns}, key=lambda one: one.pk)
    chosen = [datasets.rows_of(one) for one in campaigns]
    rows = {kind: reduce(or_, (of_one[kind] for of_one in chosen)) for kind in datasets.WIRE}
    answers = {kind: _answers(rows[kind], query) for kind in ("rankings", "demonstrations")}
    if query.agreement is not None:
        answers["rankings"] = _agreed(answers["rankings"], campaigns, query)
    if query.only_reviews:
        answers["rankings"] = datasets.decided(answers["rankings"])
    prompts = _dated(rows["prompts"], "created_at", query)
    if query.splits:
        prompts = prompts.filter(split__in=query.splits)
    found = datasets.chosen(answers | {"prompts": prompts}, written="false")
    return found._replace(source_id=datasets.BY_CAMPAIGN) if len(campaigns) > 1 else found


def _answers(answers: QuerySet[Any], query: SnapshotQuery) -> QuerySet[Any]:
    answers = _dated(answers, "submitted_at", query)
    if query.labelers:
        answers = answers.filter(labeler__username__in=query.labelers)
    if query.splits:
        answers = answers.filter(prompt__split__in=query.splits)
    if query.instructions:
        answers = answers.filter(instructions__version__in=query.instructions)
    return answers


def _dated(rows: QuerySet[Any], column: str, query: SnapshotQuery) -> QuerySet[Any]:
    if query.since:
        rows = rows.filter(**{f"{column}__gte": _midnight(query.since)})
    if query.until:
        rows = rows.filter(**{f"{column}__lt": _midnight(query.until + timedelta(days=1))})
    return rows


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def _agreed(rankings: QuerySet[Any], campaigns: Sequence[Campaign], query: SnapshotQuery) -> QuerySet[Any]:
    def prompts(agree: bool) -> RawSQL:
        params = ([one.pk for one in campaigns], query.agreement, agree)
        return RawSQL(PROMPTS_BY_AGREEMENT, params)  # noqa: S611 - a constant, its parameters apart

    if query.keep_single:
        return rankings.exclude(prompt_id__in=prompts(agree=False))
    return rankings.filter(prompt_id__in=prompts(agree=True))
