"""The scores of a prompt's completions: each completion encoded once, and the prompt too where that pays."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace

import torch

from trainer import tree_attention
from trainer.hardware import device
from trainer.rankings import JudgedPrompt
from trainer.reward_model import RewardModel
from trainer.tokens import collate
from trainer.tree_attention import pack

# What attends along a tree does so in small pieces, so it has to save this much.
_WORTH_SHARING = 1.05


def plain_scores(model: RewardModel, group: Iterable[JudgedPrompt], pad_id: int) -> list[torch.Tensor]:
    """Return each prompt's scores (K,), each completion encoded once with its prompt."""
    sequences = [(judged.prompt, c) for judged in group for c in judged.completions]
    scores = model.scores(collate(sequences, pad_id).to(device()))
    return list(scores.split([len(judged.completions) for judged in group]))


def shared_scores(model: RewardModel, group: Sequence[JudgedPrompt]) -> list[torch.Tensor]:
    """Return each prompt's scores (K,), each prompt encoded once, without padding."""
    scores = model.scores_sharing_prompts(pack([(one.prompt, one.completions) for one in group], device()))
    return list(scores.split([len(judged.completions) for judged in group]))


def shares_prompt(model: RewardModel, judged: Sequence[JudgedPrompt], choice: str, pad_id: int) -> bool:
    """Return whether prompts are encoded once; auto: where it saves tokens. Tells the backbone if so."""
    gain = sum(one.padded_tokens for one in judged) / sum(one.shared_tokens for one in judged)
    if choice == "never" or (choice == "auto" and gain < _WORTH_SHARING):
        return False
    if _shares_rightly(model, judged, pad_id):
        logging.info("each prompt is encoded once: %.1f times fewer tokens", gain)
        return True
    logging.warning("this architecture cannot share a prompt: each completion gets its own")
    return False


@torch.no_grad()
def _shares_rightly(model: RewardModel, judged: Sequence[JudgedPrompt], pad_id: int) -> bool:
    """Have the backbone share prompts, and keep it so if that gives the longest prompt the plain scores."""
    longest = max(judged, key=lambda one: len(one.prompt))
    short = replace(longest, completions=longest.completions[:2])
    expected = plain_scores(model, [short], pad_id)[0]
    return tree_attention.put_in(model.backbone, lambda: shared_scores(model, [short])[0], expected)
