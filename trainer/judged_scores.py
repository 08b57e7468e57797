"""The scores of a prompt's completions: each completion encoded once, and the prompt too where that pays."""

import logging
from collections.abc import Iterable, Sequence

import torch

from trainer.hardware import device
from trainer.rankings import JudgedPrompt
from trainer.reward_model import RewardModel, pad_completions
from trainer.tokens import collate

# Encoding the prompt once runs one prompt at a time, so it has to save this much.
_WORTH_SHARING = 1.2


def plain_scores(model: RewardModel, group: Iterable[JudgedPrompt], pad_id: int) -> list[torch.Tensor]:
    """Return each prompt's scores (K,), each completion encoded once with its prompt."""
    sequences = [(judged.prompt, c) for judged in group for c in judged.completions]
    scores = model.scores(collate(sequences, pad_id).to(device()))
    return list(scores.split([len(judged.completions) for judged in group]))


def shared_scores(model: RewardModel, judged: JudgedPrompt, pad_id: int) -> torch.Tensor:
    """Return one prompt's scores (K,), the prompt encoded once."""
    lengths = [len(completion) for completion in judged.completions]
    return model.scores_sharing_prompt(
        torch.tensor(judged.prompt, device=device()),
        pad_completions(judged.completions, pad_id).to(device()),
        torch.tensor(lengths, device=device()),
    )


def shares_prompt(model: RewardModel, train: Sequence[JudgedPrompt], choice: str, pad_id: int) -> bool:
    """Return whether prompts are encoded once; auto: where it saves tokens, and is right."""
    plain = sum(judged.padded_tokens for judged in train)
    gain = plain / sum(judged.shared_tokens for judged in train)
    if choice == "never" or (choice == "auto" and gain < _WORTH_SHARING):
        return False
    first = train[0]
    with torch.no_grad():
        expected = plain_scores(model, [first], pad_id)[0]
        shared = shared_scores(model, first, pad_id)
    if torch.allclose(expected, shared, atol=1e-3, rtol=1e-3):
        logging.info("each prompt is encoded once: %.1f times fewer tokens", gain)
        return True
    logging.warning("this architecture cannot share a prompt: each completion gets its own")
    return False
