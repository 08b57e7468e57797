"""Questions about how far a campaign is; nothing here writes."""

from datetime import datetime
from typing import NamedTuple

from django.db.models import Avg, Count, F, Q, Sum
from django.db.models.functions import TruncDay

from annotate.models import (
    Campaign,
    ClaimState,
    Demonstration,
    Prompt,
    Purpose,
    RankedCompletion,
    Ranking,
    Rule,
    RunState,
    Sampling,
    SkipKind,
    Stage,
)

SECONDS_AN_HOUR = 3600
ACCURACY = ("accuracy", "accuracy_low", "accuracy_high")


class Progress(NamedTuple):
    prompts: int
    by_sampling: list[tuple[str, int]]
    """How many prompts are in each state; states without prompts left out."""
    rankings: int
    rankings_wanted: int
    rankings_in_progress: int
    demonstrations: int
    comparisons: int


def progress(campaign: Campaign) -> Progress:
    prompts = Prompt.objects.filter(campaign=campaign)
    counts = dict(prompts.order_by().values_list("sampling").annotate(count=Count("pk")))
    by_sampling = [(state.value, counts[state]) for state in Sampling if state in counts]
    data = Q(rankings__purpose=Purpose.DATA, rankings__is_review=False)
    rankings = prompts.aggregate(
        submitted=Count("rankings", filter=data & Q(rankings__state=ClaimState.SUBMITTED)),
        claimed=Count("rankings", filter=data & Q(rankings__state=ClaimState.CLAIMED)),
    )
    rankable = counts.get(Sampling.SAMPLED, 0)
    return Progress(
        prompts=sum(counts.values()),
        by_sampling=by_sampling,
        rankings=rankings["submitted"],
        rankings_wanted=max(rankable * campaign.labelers_per_prompt, rankings["submitted"]),
        rankings_in_progress=rankings["claimed"],
        demonstrations=prompts.filter(demonstrations__state=ClaimState.SUBMITTED).count(),
        comparisons=comparisons(campaign),
    )


class Cost(NamedTuple):
    """What a campaign has taken of people's time, in hours."""

    ranking: float
    demonstrating: float
    left: float | None
    """At the pace so far, until every prompt has its rankings; None where nobody's time is known."""

    @property
    def together(self) -> float:
        return self.ranking + self.demonstrating


def cost(campaign: Campaign, so_far: Progress) -> Cost:
    """Return the hours worked, on checks as well; answers whose time nobody knows count none."""
    submitted = {"prompt__campaign": campaign, "state": ClaimState.SUBMITTED}
    rankings = Ranking.objects.filter(**submitted).aggregate(all=Sum("seconds"), each=Avg("seconds"))
    demonstrations = Demonstration.objects.filter(**submitted).aggregate(all=Sum("seconds"))
    wanted = so_far.rankings_wanted - so_far.rankings
    left = None if rankings["each"] is None else rankings["each"] * wanted / SECONDS_AN_HOUR
    hours = [(found["all"] or 0.0) / SECONDS_AN_HOUR for found in (rankings, demonstrations)]
    return Cost(hours[0], hours[1], left)


class Day(NamedTuple):
    """What was submitted until a day's end, from the first on."""

    time: int
    """When it began, in Unix seconds."""
    rankings: int
    hours: float


class Glance(NamedTuple):
    """How far a campaign is, and what it has cost."""

    progress: Progress
    cost: Cost
    skips: list[tuple[str, int, int]]
    days: list[Day]
    decisions: list[tuple[str, int, int]]


def glance(campaign: Campaign) -> Glance:
    so_far = progress(campaign)
    return Glance(so_far, cost(campaign, so_far), skips(campaign), days(campaign), decisions(campaign))


def skips(campaign: Campaign) -> list[tuple[str, int, int]]:
    """Return each SkipKind that was given, with how many rankings and demonstrations it stopped."""
    by_kind = [
        dict(
            kind._default_manager.filter(prompt__campaign=campaign, state=ClaimState.SKIPPED)
            .order_by()
            .values_list("skip_kind")
            .annotate(count=Count("pk"))
        )
        for kind in (Ranking, Demonstration)
    ]
    rows = [(reason.value, *(counts.get(reason, 0) for counts in by_kind)) for reason in SkipKind]
    return [row for row in rows if any(row[1:])]


def decisions(campaign: Campaign) -> list[tuple[str, int, int]]:
    """Return each rule of intake with how many of its decisions stand and how many are reversed."""
    counts = {"all": Count("pk"), "gone": Count("pk", filter=Q(reversed_at__isnull=False))}
    rows = campaign.intake_decisions.order_by().values_list("rule").annotate(**counts)
    by_rule = {rule: (together - gone, gone) for rule, together, gone in rows}
    return [(rule.value, *by_rule.get(rule, (0, 0))) for rule in Rule]


def comparisons(campaign: Campaign, since: datetime | None = None, at_most: int | None = None) -> int:
    """Return how many comparisons the rankings give that training reads, or `at_most`; ties give none."""
    held_out = campaign.held_out_labelers.values("pk")
    ranked = RankedCompletion.objects.filter(
        ranking__prompt__campaign=campaign,
        ranking__state=ClaimState.SUBMITTED,
        ranking__purpose=Purpose.DATA,
    ).exclude(ranking__labeler__in=held_out)
    if since is not None:
        ranked = ranked.filter(ranking__submitted_at__gt=since)
    return ranked.filter(ranking__ranked_completions__rank__gt=F("rank")).order_by()[:at_most].count()


def days(campaign: Campaign) -> list[Day]:
    submitted = Ranking.objects.filter(prompt__campaign=campaign, state=ClaimState.SUBMITTED)
    by_day = submitted.order_by().annotate(day=TruncDay("submitted_at")).values_list("day")
    made = Count("pk", filter=Q(is_review=False, purpose=Purpose.DATA))
    points: list[Day] = []
    total, worked = 0, 0.0
    for day, count, seconds in by_day.annotate(made=made, took=Sum("seconds")).order_by("day"):
        total, worked = total + count, worked + (seconds or 0.0)
        points.append(Day(int(day.timestamp()), total, worked / SECONDS_AN_HOUR))
    return points


def history(campaign: Campaign, days: list[Day]) -> list[tuple[int, dict[str, float]]]:
    """Return rankings and hours so far and each reward model's held-out accuracy, by time in Unix seconds."""
    points: list[tuple[int, dict[str, float]]] = [
        (day.time, {"rankings": day.rankings} | ({"hours": day.hours} if day.hours else {})) for day in days
    ]
    runs = campaign.runs.filter(stage=Stage.REWARD, state=RunState.SUCCEEDED, result__has_key="accuracy")
    for finished_at, result in runs.values_list("finished_at", "result"):
        assert finished_at is not None, "the database lets no run end without its time"
        numbers = {name: result[name] for name in ACCURACY if result.get(name) is not None}
        points.append((int(finished_at.timestamp()), numbers))
    return sorted(points, key=lambda point: point[0])
