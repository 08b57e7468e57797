"""What the tests of the bridge begin from: a tiny policy on disk, promoted, and prompts with rankings."""

from pathlib import Path

from django.utils import timezone

from annotate.actions.checkpoints import promote
from annotate.models import (
    Campaign,
    Checkpoint,
    ClaimState,
    Completion,
    Prompt,
    RankedCompletion,
    Ranking,
    Sampling,
    Split,
)
from tests.people import make_campaign

# What fits the tiny policy, and takes seconds.
TINY = {
    "reward": {
        "dtype": "float32",
        "max_prompt_tokens": 48,
        "max_completion_tokens": 16,
        "batch_size": 2,
        "epochs": 1,
        "trained_layers": None,
        "share_prompt": "never",
        "save_every": 1,
    },
    "ppo": {
        "dtype": "float32",
        "max_prompt_tokens": 48,
        "max_completion_tokens": 8,
        "steps": 2,
        "batch_size": 4,
        "minibatches": 1,
        "engine": "transformers",
    },
    "sft": {"dtype": "float32", "max_prompt_tokens": 48, "max_completion_tokens": 16, "epochs": 1},
}


def campaign_with(policy_folder: Path, name: str = "Helpful answers", **fields: object) -> Campaign:
    """Return a campaign whose current policy lies in this folder."""
    campaign = make_campaign(name, **fields)
    policy, _made = Checkpoint.objects.get_or_create(
        kind="policy", name="tiny", campaign=None, defaults={"stage": "base", "location": str(policy_folder)}
    )
    promote(campaign, policy, None, "the tests' own")
    return campaign


def ask(
    campaign: Campaign, count: int, text: str = "Say {}.", sampling: Sampling = Sampling.QUEUED
) -> list[Prompt]:
    """Return prompts, waiting to be sampled unless said otherwise; every fourth is held out."""
    return [
        Prompt.objects.create(
            campaign=campaign,
            split=Split.TRAIN if number % 4 else Split.VALID,
            messages=[{"role": "user", "content": text.format(number)}],
            sampling=sampling,
        )
        for number in range(count)
    ]


def rank(campaign: Campaign, count: int) -> None:
    """Add prompts with ranked completions, the shorter ones better: six comparisons each."""
    policy = Checkpoint.objects.get(name="tiny")
    for prompt in ask(campaign, count, "Count to {}.", Sampling.SAMPLED):
        completions = [
            Completion.objects.create(prompt=prompt, policy=policy, place=place, text="one " * (place + 1))
            for place in range(4)
        ]
        ranking = Ranking.objects.create(
            prompt=prompt, state=ClaimState.SUBMITTED, slot=0, submitted_at=timezone.now()
        )
        RankedCompletion.objects.bulk_create(
            RankedCompletion(
                ranking=ranking, completion=completion, place=place, rank=place + 1, rating=7 - place
            )
            for place, completion in enumerate(completions)
        )
