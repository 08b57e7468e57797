"""Questions about how far a campaign is; nothing here writes."""

from typing import NamedTuple

from django.db.models import Count, F, Q

from annotate.models import Campaign, ClaimState, Prompt, RankedCompletion, Sampling


class Progress(NamedTuple):
    prompts: int
    by_sampling: list[tuple[str, str, int]]
    """State, its words, how many prompts are in it; states without prompts left out."""
    rankings: int
    rankings_wanted: int
    rankings_in_progress: int
    demonstrations: int
    comparisons: int


def progress(campaign: Campaign) -> Progress:
    prompts = Prompt.objects.filter(campaign=campaign)
    counts = dict(prompts.order_by().values_list("sampling").annotate(count=Count("pk")))
    by_sampling = [(state.value, str(state.label), counts[state]) for state in Sampling if state in counts]
    submitted = Q(rankings__state=ClaimState.SUBMITTED)
    rankings = prompts.aggregate(
        submitted=Count("rankings", filter=submitted),
        claimed=Count("rankings", filter=Q(rankings__state=ClaimState.CLAIMED)),
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


def comparisons(campaign: Campaign) -> int:
    """Return how many comparisons the submitted rankings give; ties give none."""
    ranked = RankedCompletion.objects.filter(
        ranking__prompt__campaign=campaign, ranking__state=ClaimState.SUBMITTED
    )
    return ranked.filter(ranking__ranked_completions__rank__gt=F("rank")).count()
