"""Held-out prompts looked at on the way: sampled by the engine, scored by the reward model."""

from collections.abc import Sequence

from trainer.engine import Engine, Sampling
from trainer.reward_model import RewardModel, scores_of
from trainer.rollout import draw


def sample_and_score(
    engine: Engine,
    judge: RewardModel,
    prompts: Sequence[list[int]],
    first_seed: int,
    sampling: Sampling,
    *,
    pad_id: int,
    micro_batch_tokens: int,
    dtype: str,
) -> dict[str, float]:
    """Return mean score, length in tokens and share with an end, of one completion a prompt.

    The same seeds every time make two looks a comparison on the same draws.
    """
    drawn = draw(engine, prompts, first_seed, sampling)
    pairs = [(prompt, one.token_ids) for prompt, one in zip(prompts, drawn, strict=True)]
    scores = scores_of(judge, pairs, pad_id, micro_batch_tokens=micro_batch_tokens, dtype=dtype)
    ends = [one.finish_reason == "stop" for one in drawn]
    return {
        "valid_score": float(scores.mean()),
        "valid_length": sum(len(one.token_ids) for one in drawn) / len(drawn),
        "valid_eos_rate": sum(ends) / len(ends),
    }
