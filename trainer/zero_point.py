"""Where a reward model's scale has its zero, demonstrations' mean score (section 3.5), and its unit."""

import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerBase

from trainer.config import RewardConfig
from trainer.data import Demonstration, Ranking, read_demonstrations
from trainer.reward_model import RewardModel, scores_of
from trainer.tokens import encode_completion, encode_prompt


def zero_point(file: Path | None, train_rows: Sequence[Ranking]) -> tuple[list[Demonstration], str]:
    """Return what shall score 0 on average: demonstrations, or, where there are none, the ranked completions.

    PPO sets completions without an end a fixed low score, which means nothing on a scale without a zero.
    """
    if found := _demonstrations(file, train_rows):
        return found, "demonstrations"
    logging.warning("no demonstrations, so the ranked completions score 0 on average")
    ranked = [
        Demonstration(row.id, row.prompt, row.split, text) for row in train_rows for text in row.completions
    ]
    return ranked, "completions"


def _demonstrations(file: Path | None, train_rows: Sequence[Ranking]) -> list[Demonstration]:
    """Return the demonstrations of the file, else those that the rankings carry."""
    if file is not None:
        rows = read_demonstrations(file)
        return [row for row in rows if row.split in (None, "train")]
    return [
        Demonstration(row.id, row.prompt, row.split, row.demonstration)
        for row in train_rows
        if row.demonstration
    ]


@torch.no_grad()
def centre(
    model: RewardModel,
    demonstrations: Sequence[Demonstration],
    tokenizer: PreTrainedTokenizerBase,
    config: RewardConfig,
) -> None:
    """Set the bias so that demonstrations score 0 on average, and keep their standard deviation."""
    sequences = [
        (
            encode_prompt(tokenizer, row.prompt, config.max_prompt_tokens),
            encode_completion(tokenizer, row.completion, config.max_completion_tokens),
        )
        for row in demonstrations[: config.demonstration_limit]
    ]
    pad_id, room = int(tokenizer.pad_token_id), config.micro_batch_tokens
    scores = scores_of(model, sequences, pad_id, micro_batch_tokens=room, dtype=config.dtype)
    model.head.bias -= float(scores.mean())
    model.backbone.config.score_std = float(scores.std(correction=0))
