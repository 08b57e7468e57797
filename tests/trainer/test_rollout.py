"""A rollout: exact at the start, the same whatever the micro-batches."""

from pathlib import Path

import pytest
import torch

from trainer.engine import Engine, EngineError, Sampling
from trainer.policy import load_policy
from trainer.reward_model import load_reward_model
from trainer.rollout import Models, Rollout, draw, make_rollout, plan_minibatches, score_missing_eos, take

PROMPTS = [list(range(40, 40 + length)) for length in (5, 9, 3, 14, 8, 6)]


@pytest.fixture(scope="module")
def models(tiny_policy: Path, tiny_reward_model: Path) -> Models:
    judge, value = load_reward_model(tiny_reward_model), load_reward_model(tiny_reward_model)
    return Models(load_policy(tiny_policy), load_policy(tiny_policy), judge, value)


def roll(engine: Engine, models: Models, max_tokens: int = 64, dtype: str = "float32") -> Rollout:
    completions = draw(engine, PROMPTS, 3, Sampling(10))
    lengths = [len(p) + len(c.token_ids) for p, c in zip(PROMPTS, completions, strict=True)]
    plan = plan_minibatches(lengths, 2, max_tokens, "seed")
    return make_rollout(
        models, PROMPTS, completions, plan, pad_id=0, temperature=1.0, missing_eos_score=-9.0, dtype=dtype
    )


@pytest.mark.checklist(29)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_kl_is_exactly_zero_before_the_first_update(tiny_engine: Engine, models: Models, dtype: str) -> None:
    assert torch.equal(roll(tiny_engine, models, dtype=dtype).kl, torch.zeros(6, 10))


def test_old_logprobs_are_the_engines_but_for_rounding(tiny_engine: Engine, models: Models) -> None:
    rollout = roll(tiny_engine, models)
    assert torch.allclose(rollout.old_logprobs, rollout.engine_logprobs, atol=1e-4)


def test_micro_batches_change_nothing(tiny_engine: Engine, models: Models) -> None:
    one, many = roll(tiny_engine, models, 10_000), roll(tiny_engine, models, 20)
    for name in ("old_logprobs", "ref_logprobs", "values", "scores", "entropy"):
        assert torch.allclose(getattr(one, name), getattr(many, name), atol=1e-5), name


@pytest.mark.checklist(22)
def test_a_row_holds_its_own_prompt_and_completion(tiny_engine: Engine, models: Models) -> None:
    rollout = roll(tiny_engine, models)
    completions = draw(tiny_engine, PROMPTS, 3, Sampling(10))
    for row, (prompt, drawn) in enumerate(zip(PROMPTS, completions, strict=True)):
        ids = rollout.batch.ids[row, : rollout.batch.lengths[row]].tolist()
        assert ids == prompt + drawn.token_ids
        assert drawn.seed == 3 + row


def test_each_row_is_in_one_minibatch() -> None:
    plan = plan_minibatches([5, 9, 30, 7, 7, 2, 8], 3, 20, "seed")
    rows = [row for minibatch in plan for micro in minibatch for row in micro]
    assert sorted(rows) == list(range(7))
    assert sorted(sum(len(micro) for micro in minibatch) for minibatch in plan) == [2, 2, 3]


@pytest.mark.checklist(21)
def test_a_completion_cut_off_never_scores_more_than_the_fixed_score() -> None:
    scores = score_missing_eos(torch.tensor([2.0, 2.0, -5.0]), torch.tensor([True, False, False]), -1.0)
    assert scores.tolist() == [2.0, -1.0, -5.0]


def test_rows_taken_are_padded_no_further_than_they_need(tiny_engine: Engine, models: Models) -> None:
    batch = roll(tiny_engine, models).batch
    part = take(batch, [2, 0])
    assert part.ids.shape[1] == int(batch.lengths[[2, 0]].max())
    assert part.prompt_lengths.tolist() == [3, 5]


def test_a_refused_prompt_ends_the_step(tiny_engine: Engine) -> None:
    with pytest.raises(EngineError, match="130 tokens"):
        draw(tiny_engine, [[5] * 130], 0, Sampling(10))
