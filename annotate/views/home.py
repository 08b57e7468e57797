"""Home: what there is to do."""

from typing import NamedTuple, TypeVar

from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from annotate import access
from annotate.actions import demonstrations, rankings
from annotate.kept import waiting_for
from annotate.models import (
    Campaign,
    ClaimState,
    Demonstration,
    Dialogue,
    DialogueState,
    Prompt,
    Ranking,
    RunState,
    User,
)
from annotate.signed_in import SignedInRequest
from annotate.today import Today, done_today

C = TypeVar("C", Ranking, Demonstration)
UNFINISHED = (ClaimState.CLAIMED, ClaimState.EXPIRED)
RECENT = 8


class Work(NamedTuple):
    """What one campaign has for one labeler."""

    campaign: Campaign
    to_rank: int
    to_demonstrate: int
    to_review: int
    ranked: Today
    demonstrated: Today
    rankings: list[Ranking]
    demonstrations: list[Demonstration]
    dialogues: list[Dialogue]


@require_safe
def home(request: SignedInRequest) -> HttpResponse:
    user = request.user
    alive = access.runs(user).filter(state__in=[RunState.QUEUED, RunState.RUNNING])
    own_prompts = Prompt.objects.filter(author=user).select_related("campaign").order_by("-id")
    context = {
        "work": [work_in(campaign, user) for campaign in access.labeling_campaigns(user)],
        "prompts": own_prompts[:RECENT],
        "rankings": answered(Ranking, user),
        "demonstrations": answered(Demonstration, user),
        "runs": alive.select_related("campaign"),
        "campaigns": access.campaigns(user) if user.is_researcher else [],
    }
    return render(request, "home/home.html", context)


def work_in(campaign: Campaign, labeler: User) -> Work:
    # A claim without a draft is only handed out; the next click on Rank or Demonstrate brings it.
    drafts = {
        "labeler": labeler,
        "prompt__campaign": campaign,
        "state__in": UNFINISHED,
        "drafted_at__isnull": False,
    }
    begun = {"campaign": campaign, "state": DialogueState.OPEN, "turns__place": 0}
    return Work(
        campaign=campaign,
        to_rank=rankings.left(campaign, labeler),
        to_demonstrate=demonstrations.left(campaign, labeler),
        to_review=to_review(campaign, labeler),
        ranked=done_today(Ranking, campaign, labeler),
        demonstrated=done_today(Demonstration, campaign, labeler),
        rankings=list(Ranking.objects.filter(**drafts).select_related("prompt")),
        demonstrations=list(Demonstration.objects.filter(**drafts).select_related("prompt")),
        dialogues=list(Dialogue.objects.filter(author=labeler, **begun).with_beginning()),
    )


def to_review(campaign: Campaign, labeler: User) -> int:
    """Return how many prompts a reviewer among the labelers could look at, the one they hold included."""
    if not campaign.reviewers.filter(pk=labeler.pk).exists():
        return 0
    held = {"labeler": labeler, "prompt__campaign": campaign, "is_review": True}
    begun = Ranking.objects.filter(state=ClaimState.CLAIMED, **held)
    return begun.count() + len(waiting_for(campaign, labeler))


def answered(kind: type[C], labeler: User) -> QuerySet[C]:
    """Return this labeler's latest answers, which can be changed until a snapshot has read them."""
    submitted = kind.objects.filter(labeler=labeler, state=ClaimState.SUBMITTED)
    return submitted.select_related("prompt").order_by("-submitted_at")[:RECENT]
