"""PPO and PPO-ptx: a policy learns from a reward model, held near the policy it began from.

InstructGPT, section 3.5, equation 2, and C.4; what the paper leaves open follows OpenAI's
lm-human-preferences. As one process or, by many.py, as several; the engine stands beside the first.
"""

import logging
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerBase

from trainer import checkpoints, resume
from trainer.advantages import (
    advantages_and_returns,
    explained_variance,
    importance_weights,
    token_rewards,
    whiten,
)
from trainer.config import PpoConfig
from trainer.data import BadInput, cycled
from trainer.engine import Engine, EngineError, Sampled, Sampling
from trainer.hardware import device
from trainer.held_out import look, means
from trainer.kept_samples import keep
from trainer.learners import Learners, export_policy, state
from trainer.metrics import Clock, MetricsLog
from trainer.optimizer import NotFinite
from trainer.ppo_inputs import Inputs, check_inputs, load_models, pack_models, read_inputs
from trainer.ppo_update import Stats, Targets, ptx_loss_of, update
from trainer.probe import Probe
from trainer.rollout import Models, Rollout, draw, make_rollout, plan_minibatches
from trainer.steering import adapted_kl_coef, reason_to_stop
from trainer.tokens import Batch, collate, load_tokenizer
from trainer.weight_sync import start_on, sync

logger = logging.getLogger(__name__)

KEPT_SAMPLES = 8
VALID_FIGURES = ("valid_kl", "valid_score", "valid_second_score")


@dataclass
class Ppo:
    """All that a step needs and the next one inherits."""

    config: PpoConfig
    tokenizer: PreTrainedTokenizerBase
    inputs: Inputs
    models: Models
    learners: Learners
    engine: Engine
    probe: Probe
    samples: MetricsLog
    valid_samples: MetricsLog


def train_ppo(
    config: PpoConfig,
    *,
    policy: Path,
    reward_model: Path,
    prompts: Path,
    pretraining: Path | None,
    out: Path,
    second_judge: Path | None = None,
) -> None:
    """Write to out the policy that PPO makes of another, which is also the reference.

    A second judge is a reward model that scores held-out completions too, and nothing learns from it: where
    its score falls while the first one's still rises, the policy games the first. Raises BadInput.
    Run again after a kill, it goes on from the last saved state.
    """
    inputs = {
        "policy": policy,
        "reward_model": reward_model,
        "second_judge": second_judge,
        "prompts": prompts,
        "pretraining": pretraining,
    }
    tokenizer = load_tokenizer(policy)
    check_inputs(reward_model, second_judge, tokenizer, pretraining, config)
    read = read_inputs(prompts, pretraining, tokenizer, config)
    with checkpoints.writing(out) as partial:
        checkpoints.begin(partial, "ppo", config.model_dump(mode="json"), inputs)
        learners, models = load_models(policy, reward_model, config, second_judge)
        pack_models(models, read.prompt_ids, config)
        first = resume.restore(partial, **state(learners)) + 1
        metrics, samples, valid_samples = (
            MetricsLog(partial / f"{name}.jsonl", config.steps, first - 1)
            for name in ("metrics", "samples", "valid_samples")
        )
        metrics.phase("starting the engine")
        scratch = partial / "engine"
        with start(learners, tokenizer, scratch, config) as engine:
            probe = Probe(read.prompt_ids, len(tokenizer), config.temperature)
            ppo = Ppo(config, tokenizer, read, models, learners, engine, probe, samples, valid_samples)
            result = _run(ppo, first, partial, metrics)
        shutil.rmtree(scratch, ignore_errors=True)
        export_policy(learners, tokenizer, partial)
        checkpoints.describe(partial, "policy", {**result, "engine": engine.description})


def _run(ppo: Ppo, first: int, partial: Path, metrics: MetricsLog) -> dict[str, object]:
    """Take the steps from first on; return the last one's figures, and why the run ended early."""
    config = ppo.config
    stats: Stats = {}
    stopped = ""
    for number in range(first, config.steps + 1):
        try:
            stats, rollout, completions = step(ppo, number, is_first=number == first)
        except NotFinite as error:
            stopped = f"step {number}: {error}"
            break
        metrics.write(number, **stats)
        logger.info("step %d of %d: %s", number, config.steps, _summary(stats))
        if number % config.samples_every == 0 or number in (1, config.steps):
            _keep_samples(ppo, number, rollout, completions)
        if reason := _steer(ppo.learners.steering, stats, config):
            stopped = f"step {number}: {reason}"
            break
        if number % config.save_every == 0 and number < config.steps:
            resume.save(partial, number, **state(ppo.learners))
    if stopped:
        logger.warning("stopped at %s", stopped)
    names = ("kl", "reward", "score", "length", "eos_rate", "entropy", *VALID_FIGURES)
    figures: dict[str, object] = {name: stats[name] for name in names if name in stats}
    return figures | ({"stopped": stopped} if stopped else {})


def _steer(steering: dict[str, torch.Tensor], stats: Stats, config: PpoConfig) -> str:
    """Set the price of KL for the next step; return why there should be none, "" where nothing is wrong."""
    if not steering["first_length"]:
        steering["first_length"].fill_(stats["length"])
    if config.adaptive_kl_target:
        rule = (config.adaptive_kl_target, config.adaptive_kl_horizon, config.batch_size)
        steering["kl_coef"].fill_(adapted_kl_coef(stats["kl_coef"], stats["kl"], *rule))
    return reason_to_stop(stats, float(steering["first_length"]), config)


def step(ppo: Ppo, number: int, *, is_first: bool) -> tuple[Stats, Rollout, list[Sampled]]:
    """Take step number (1..): sync, sample, look, reward, learn.

    The engine was started on the policy as it is, so the first step of a process needs no sync.
    """
    config, clock = ppo.config, Clock()
    with clock("syncing"):
        if not is_first:
            sync(ppo.engine, ppo.learners.policy, number)
        in_step = ppo.probe.check(ppo.engine, ppo.learners.policy)
    with clock("validating"):
        valid = _look_at_held_out(ppo, number)
    with clock("sampling"):
        prompts = [ppo.inputs.prompt_ids[row] for row in _prompt_rows(ppo, number)]
        sampling = Sampling(config.max_completion_tokens, config.temperature)
        completions = draw(ppo.engine, prompts, _first_seed(config, number), sampling)
    with clock("looking"):
        lengths = [
            len(prompt) + len(drawn.token_ids) for prompt, drawn in zip(prompts, completions, strict=True)
        ]
        plan = plan_minibatches(
            lengths, config.minibatches, config.micro_batch_tokens, f"{config.seed}/{number}"
        )
        rollout = make_rollout(
            ppo.models,
            prompts,
            completions,
            plan,
            pad_id=ppo.tokenizer.pad_token_id,
            temperature=config.temperature,
            missing_eos_score=config.missing_eos_score,
            dtype=config.dtype,
        )
    with clock("learning"):
        kl_coef = float(ppo.learners.steering["kl_coef"])
        targets, reward = _targets(rollout, kl_coef, config)
        ptx = _ptx_batches(ppo, number)
        learned = update(ppo.learners, rollout, targets, plan, ptx, config, number)
    stats = _rollout_stats(rollout, targets, reward) | learned | valid | in_step | clock.seconds
    stats["kl_coef"] = kl_coef
    stats["tokens_per_second"] = float(rollout.is_completion.sum()) / clock.seconds["seconds_sampling"]
    _warn_of_mismatch(stats["mismatch"], config)
    return stats, rollout, completions


def _look_at_held_out(ppo: Ppo, number: int) -> Stats:
    """Return how the policy, as it goes into a step, does on prompts and texts it never learns from."""
    config, inputs = ppo.config, ppo.inputs
    stats: Stats = {}
    if number % config.valid_every != 0 and number not in (1, config.steps):
        return stats
    if inputs.valid_texts:
        batch = collate(inputs.valid_texts, ppo.tokenizer.pad_token_id).to(device())
        stats["valid_ptx_loss"] = ptx_loss_of(ppo.learners.policy, batch, config)
    if inputs.valid_prompt_ids:
        drawn, found = look(
            ppo.engine,
            ppo.models,
            inputs.valid_prompt_ids,
            _first_seed(config, config.steps + 1),  # beyond every rollout's
            Sampling(config.max_completion_tokens, config.temperature),
            pad_id=ppo.tokenizer.pad_token_id,
            micro_batch_tokens=config.micro_batch_tokens,
            dtype=config.dtype,
        )
        keep(ppo.valid_samples, number, inputs.valid_prompts, drawn, found, ppo.tokenizer)
        stats |= means(drawn, found)
    return stats


def _targets(rollout: Rollout, kl_coef: float, config: PpoConfig) -> tuple[Targets, float]:
    """Return the update's targets, and the mean reward a completion."""
    mask = rollout.is_completion
    rewards = token_rewards(rollout.scores, rollout.kl, mask, kl_coef)
    mean_reward = float(rewards.sum(1).mean())
    if config.whiten_rewards:
        rewards = whiten(rewards, mask, shift_mean=False)
    advantages, returns = advantages_and_returns(rewards, rollout.values, mask, config.gamma, config.lam)
    advantages = whiten(advantages, mask)
    if config.importance_cap:
        # The weight is positive, so on the advantage it weighs the clipped loss of each token.
        engine = rollout.engine_logprobs
        advantages *= importance_weights(rollout.old_logprobs, engine, mask, config.importance_cap)
    return Targets(advantages, returns), mean_reward


def _rollout_stats(rollout: Rollout, targets: Targets, reward: float) -> Stats:
    mask = rollout.is_completion
    mismatch = (rollout.old_logprobs - rollout.engine_logprobs)[mask]
    return {
        "reward": reward,
        "score": float(rollout.scores.mean()),
        "kl": float(rollout.kl.sum(1).mean()),
        "length": float(mask.sum(1).float().mean()),
        "eos_rate": float(rollout.is_stopped.float().mean()),
        "explained_variance": explained_variance(rollout.values, targets.returns, mask),
        "mismatch": float(mismatch.abs().mean()),
        "mismatch_max": float(mismatch.abs().max()),
        "mismatch_kl": float((mismatch.exp() - 1 - mismatch).mean()),  # k3 of engine to trainer
    }


def _warn_of_mismatch(mismatch: float, config: PpoConfig) -> None:
    if mismatch > config.mismatch_warning:
        logger.warning(
            "engine and trainer are %.3f nats a token apart, over mismatch_warning %g: set engine_dtype to "
            "float32, or importance_cap to correct for it",
            mismatch,
            config.mismatch_warning,
        )


def _prompt_rows(ppo: Ppo, number: int) -> list[int]:
    return cycled(len(ppo.inputs.prompt_ids), ppo.config.batch_size, number, ppo.config.seed)


def _first_seed(config: PpoConfig, number: int) -> int:
    """Return the seed of a step's first rollout; no two rollouts of a run share one."""
    return config.seed * 1_000_000_007 + (number - 1) * config.batch_size


def _ptx_batches(ppo: Ppo, number: int) -> Iterator[Batch]:
    """Yield one batch of pretraining text an update: ptx_ratio texts for each rollout in it (C.4)."""
    config = ppo.config
    size = config.ptx_ratio * config.batch_size // config.minibatches
    updates = config.epochs * config.minibatches
    for place in range(updates if ppo.inputs.texts else 0):
        rows = cycled(len(ppo.inputs.texts), size, (number - 1) * updates + place + 1, config.seed + 1)
        yield collate([ppo.inputs.texts[row] for row in rows], ppo.tokenizer.pad_token_id).to(device())


def start(learners: Learners, tokenizer: PreTrainedTokenizerBase, scratch: Path, config: PpoConfig) -> Engine:
    try:
        return start_on(
            learners.policy,
            tokenizer,
            scratch,
            engine=config.engine,
            dtype=config.engine_dtype,
            max_model_len=config.max_prompt_tokens + config.max_completion_tokens,
            memory_share=config.engine_memory,
        )
    except EngineError as error:
        raise BadInput(f"engine: {error}") from error


def _keep_samples(ppo: Ppo, number: int, rollout: Rollout, completions: Sequence[Sampled]) -> None:
    asked = [ppo.inputs.prompts[row] for row in _prompt_rows(ppo, number)[:KEPT_SAMPLES]]
    found = {"score": rollout.scores.tolist(), "kl": rollout.kl.sum(1).tolist()}
    keep(ppo.samples, number, asked, completions[:KEPT_SAMPLES], found, ppo.tokenizer)


def _summary(stats: Stats) -> str:
    names = ("reward", "score", "kl", "length", "eos_rate", "clipfrac", "explained_variance")
    return " ".join(f"{name} {stats[name]:.3f}" for name in names)
