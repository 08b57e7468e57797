"""Rows that tests begin from: a policy, and prompts with their completions."""

from annotate.actions import suggestions
from annotate.models import (
    Campaign,
    Checkpoint,
    CheckpointKind,
    Completion,
    Promotion,
    Prompt,
    Sampling,
    Split,
    Suggestion,
    User,
)

POLICY_NAME = "secret-policy-7"


def make_policy(campaign: Campaign | None = None, name: str = POLICY_NAME) -> Checkpoint:
    found = Checkpoint.objects.filter(name=name, campaign=campaign).first()
    return found or Checkpoint.objects.create(kind=CheckpointKind.POLICY, name=name, campaign=campaign)


def promoted_policy(campaign: Campaign) -> Checkpoint:
    """Return the policy that the campaign samples from now on."""
    policy = make_policy(campaign)
    Promotion.objects.create(campaign=campaign, policy=policy)
    return policy


def write_suggestion(text: str) -> Suggestion:
    """Do what the sampling worker does for the one suggestion that waits, and return it."""
    (suggestion,) = suggestions.claim_batch()
    policy = make_policy(suggestion.campaign)
    told = {"token_count": 3, "finish_reason": "stop", "engine": "vllm 0.32.0"}
    suggestions.store(suggestion, policy=policy, text=text, **told)
    return Suggestion.objects.get(pk=suggestion.pk)


def make_prompt(campaign: Campaign, text: str = "Name a river.", **fields: object) -> Prompt:
    """Return a prompt that waits for its completions."""
    messages = [{"role": "user", "content": text}]
    return Prompt.objects.create(campaign=campaign, messages=messages, split=Split.TRAIN, **fields)


def sampled_prompt(campaign: Campaign, text: str = "Name a river.", author: User | None = None) -> Prompt:
    """Return a prompt with all its completions: "Answer 0", "Answer 1", ..."""
    prompt = make_prompt(campaign, text, author=author, sampling=Sampling.SAMPLED)
    policy = make_policy(campaign)
    Completion.objects.bulk_create(
        Completion(prompt=prompt, policy=policy, place=place, text=f"Answer {place}", engine="vllm 0.32.0")
        for place in range(campaign.k)
    )
    return prompt
