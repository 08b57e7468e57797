"""Questions about a screening: who its candidates are, how they did, what is still to grade; none writes."""

from collections import defaultdict
from dataclasses import dataclass
from itertools import groupby

from django.db.models import Avg, QuerySet

from annotate.judged import judged
from annotate.models import Campaign, ClaimState, Demonstration, Role, ScreeningDecision, User
from annotate.screening_figures import Screened, screened


@dataclass(frozen=True, slots=True)
class Candidate:
    user: User
    figures: Screened
    self_assessment: str
    decision: ScreeningDecision | None
    """The newest."""

    @property
    def name(self) -> str:
        return self.user.username


def candidates(campaign: Campaign) -> list[Candidate]:
    """Return the members who are no researchers, with their figures."""
    members = list(campaign.labelers.order_by("username"))
    researchers = {user.username for user in User.objects.exclude(role=Role.LABELER)}
    prompts = [list(rankings) for _prompt, rankings in groupby(judged(campaign), lambda one: one.prompt)]
    grades = _grades(campaign)
    said = dict(campaign.self_assessments.values_list("labeler", "text"))
    # The newest last, so that it stays.
    decided = {
        one.candidate_id: one for one in campaign.screening_decisions.select_related("joins").order_by("id")
    }
    return [
        Candidate(
            user,
            screened(prompts, user.username, researchers, grades[user.pk]),
            said.get(user.pk, ""),
            decided.get(user.pk),
        )
        for user in members
        if user.role == Role.LABELER
    ]


def _grades(campaign: Campaign) -> defaultdict[int | None, list[float]]:
    """Return the mean grade of each demonstration, by who wrote it."""
    graded = _demonstrations(campaign).filter(grades__isnull=False).annotate(mean=Avg("grades__grade"))
    found: defaultdict[int | None, list[float]] = defaultdict(list)
    for labeler, mean in graded.values_list("labeler", "mean"):
        found[labeler].append(mean)
    return found


def to_grade(campaign: Campaign, grader: User) -> QuerySet[Demonstration]:
    """Return candidates' demonstrations that this researcher has not graded."""
    of_candidates = _demonstrations(campaign).filter(labeler__role=Role.LABELER)
    return of_candidates.exclude(grades__grader=grader).select_related("prompt")


def next_to_grade(campaign: Campaign, grader: User) -> Demonstration | None:
    """Return one of them; their order tells nothing of who wrote them."""
    return to_grade(campaign, grader).order_by("prompt", "?").first()


def _demonstrations(campaign: Campaign) -> QuerySet[Demonstration]:
    return Demonstration.objects.filter(
        prompt__campaign=campaign, prompt__campaign__is_screening=True, state=ClaimState.SUBMITTED
    )
