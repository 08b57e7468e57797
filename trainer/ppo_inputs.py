"""What PPO reads: prompts to learn on and to hold out, pretraining text, and its models."""

import logging
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

from transformers import PreTrainedTokenizerBase

from trainer import many
from trainer.config import PpoConfig
from trainer.data import BadInput, Prompt, read_prompts, read_texts, shuffled
from trainer.learners import Learners, make_learners
from trainer.packing import pack_rows
from trainer.policy import load_policy
from trainer.reward_model import RewardModel, check_judge, load_reward_model, scale, score_std, shard
from trainer.rollout import Models
from trainer.tokens import encode_prompt, encode_text

Text = tuple[list[int], list[int]]
"""Pretraining text as (its first token, the rest that it predicts)."""

# One text in so many is held out.
_HELD_OUT_TEXTS = 20
# With missing_eos_score so many standard deviations low, hardly more is learned than to end.
_FAR = 10


class Inputs(NamedTuple):
    """Encoded: prompts[i] is asked as prompt_ids[i]; the valid ones are never learned from."""

    prompts: list[Prompt]
    prompt_ids: list[list[int]]
    valid_prompts: list[Prompt]
    valid_prompt_ids: list[list[int]]
    texts: list[Text]
    valid_texts: list[Text]


def check_inputs(
    reward_model: Path,
    second_judge: Path | None,
    tokenizer: PreTrainedTokenizerBase,
    pretraining: Path | None,
    config: PpoConfig,
) -> None:
    """Raise BadInput for what cannot work together."""
    for option, folder in (("--reward-model", reward_model), ("--second-judge", second_judge)):
        if folder is not None:
            check_judge(folder, tokenizer, option)
            _check_scale(folder, option, config)
    _warn_of_scale(reward_model, config)
    if config.ptx_coef and pretraining is None:
        raise BadInput("ptx_coef: mixing in pretraining text needs --pretraining FILE; or set ptx_coef to 0")
    if config.batch_size < config.minibatches:
        raise BadInput(
            f"minibatches: {config.minibatches} cannot be cut from a batch_size of {config.batch_size}"
        )


def _check_scale(folder: Path, option: str, config: PpoConfig) -> None:
    if config.scale_scores and not score_std(folder):
        raise BadInput(
            f"scale_scores: {option} {folder} does not know how far its scores spread; "
            "train it anew, with two demonstrations or more, or set scale_scores to false"
        )


def _warn_of_scale(reward_model: Path, config: PpoConfig) -> None:
    std = score_std(reward_model)
    if std and not config.scale_scores and -config.missing_eos_score > _FAR * std:
        logging.warning(
            "missing_eos_score %g is %.0f standard deviations of the scores of %s: hardly more will be "
            "learned than to end; set scale_scores, or raise missing_eos_score and lower kl_coef",
            config.missing_eos_score,
            -config.missing_eos_score / std,
            reward_model,
        )


def read_inputs(
    prompts: Path, pretraining: Path | None, tokenizer: PreTrainedTokenizerBase, config: PpoConfig
) -> Inputs:
    """Read and encode both files. Raises BadInput."""
    rows = read_prompts(prompts)
    asked = [prompt for prompt in rows if prompt.split in (None, "train")]
    if not asked:
        raise BadInput(f"{prompts}: every prompt is held out by its split, none is left to train on")
    valid = [prompt for prompt in rows if prompt.split == "valid"][: config.valid_limit]
    texts = _encode_texts(pretraining, tokenizer, config)
    held_out = set(
        shuffled(len(texts), config.seed, 0)[: min(config.valid_limit, len(texts) // _HELD_OUT_TEXTS)]
    )
    return Inputs(
        asked,
        [encode_prompt(tokenizer, prompt.prompt, config.max_prompt_tokens) for prompt in asked],
        valid,
        [encode_prompt(tokenizer, prompt.prompt, config.max_prompt_tokens) for prompt in valid],
        [text for place, text in enumerate(texts) if place not in held_out],
        [text for place, text in enumerate(texts) if place in held_out],
    )


def _encode_texts(path: Path | None, tokenizer: PreTrainedTokenizerBase, config: PpoConfig) -> list[Text]:
    """Return pretraining texts, each cut to what a prompt and its completion may have."""
    if path is None or not config.ptx_coef:
        return []
    longest = config.max_prompt_tokens + config.max_completion_tokens
    encoded = [encode_text(tokenizer, text, longest) for text in read_texts(path)]
    kept = [(first, rest) for first, rest in encoded if rest]
    if not kept:
        raise BadInput(f"{path}: no text of two tokens or more")
    return kept


def load_models(
    policy: Path, reward_model: Path, config: PpoConfig, second_judge: Path | None = None
) -> tuple[Learners, Models]:
    """Return the two models that learn, and with them the frozen reference and reward models."""
    learning = load_policy(policy)
    value_model = _scorer(reward_model, config)
    learners = make_learners(learning, value_model, config)
    # The policy without its adapters is the reference, at no cost in memory.
    reference = learning if config.lora_rank else load_policy(policy).requires_grad_(False)
    if reference is not learning:
        many.shard(reference)
    judge = shard(_scorer(reward_model, config).requires_grad_(False))
    second = shard(_scorer(second_judge, config).requires_grad_(False)) if second_judge else None
    return learners, Models(learning, reference, judge, value_model, second)


def _scorer(folder: Path, config: PpoConfig) -> RewardModel:
    model = load_reward_model(folder)
    return scale(model) if config.scale_scores else model


def pack_models(models: Models, prompt_ids: Sequence[list[int]], config: PpoConfig) -> None:
    """Have the models compute without padding where that is quicker, and right for the longest episode."""
    prompt = max(prompt_ids, key=len)
    longest = list(islice(cycle(prompt), len(prompt) + config.max_completion_tokens))
    for policy in dict.fromkeys((models.policy, models.reference)):
        many.within(policy, lambda policy: pack_rows(policy.base_model, longest))
    for model in filter(None, (models.reward_model, models.value_model, models.second_judge)):
        many.within(model, lambda model: pack_rows(model.backbone, longest))
