"""PPO and PPO-ptx: a policy learns from a reward model, held near the policy it began from.

InstructGPT, section 3.5, equation 2, and C.4; what the paper leaves open follows OpenAI's
lm-human-preferences. One process, one device, and the engine beside it.
"""

import logging
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from trainer import checkpoints, resume
from trainer.advantages import advantages_and_returns, explained_variance, token_rewards, whiten
from trainer.config import PpoConfig
from trainer.data import BadInput, Prompt, cycled, read_prompts, read_texts
from trainer.engine import Engine, EngineError, Sampled, Sampling
from trainer.hardware import device
from trainer.learners import Learners, export_policy, make_learners, state
from trainer.metrics import MetricsLog
from trainer.policy import load_policy
from trainer.ppo_update import Stats, Targets, update
from trainer.reward_model import load_reward_model
from trainer.rollout import Models, Rollout, draw, make_rollout, plan_minibatches
from trainer.tokens import Batch, collate, decode, encode_prompt, encode_text, load_tokenizer
from trainer.weight_sync import PROBE_TOKENS, probe, start_on, sync

logger = logging.getLogger(__name__)

KEPT_SAMPLES = 8


@dataclass
class Ppo:
    """All that a step needs and the next one inherits."""

    config: PpoConfig
    tokenizer: PreTrainedTokenizerBase
    prompts: list[Prompt]
    prompt_ids: list[list[int]]
    texts: list[tuple[list[int], list[int]]]
    models: Models
    learners: Learners
    engine: Engine


def train_ppo(
    config: PpoConfig,
    *,
    policy: Path,
    reward_model: Path,
    prompts: Path,
    pretraining: Path | None,
    out: Path,
) -> None:
    """Write to out the policy that PPO makes of another, which is also the reference.

    Raises BadInput. Run again after a kill, it goes on from the last saved state.
    """
    inputs = {
        "policy": policy,
        "reward_model": reward_model,
        "prompts": prompts,
        "pretraining": pretraining,
    }
    tokenizer = load_tokenizer(policy)
    _check_inputs(reward_model, tokenizer, pretraining, config)
    asked = _training_prompts(prompts)
    with checkpoints.writing(out) as partial:
        checkpoints.begin(partial, "ppo", config.model_dump(mode="json"), inputs)
        learners, models = _load_models(policy, reward_model, config)
        first = resume.restore(partial, **state(learners)) + 1
        metrics = MetricsLog(partial / "metrics.jsonl", config.steps, first - 1)
        metrics.phase("starting the engine")
        scratch = partial / "engine"
        with _start(learners, tokenizer, scratch, config) as engine:
            ppo = Ppo(
                config,
                tokenizer,
                asked,
                [encode_prompt(tokenizer, prompt.prompt, config.max_prompt_tokens) for prompt in asked],
                _encode_texts(pretraining, tokenizer, config),
                models,
                learners,
                engine,
            )
            result = _run(ppo, first, partial, metrics)
        shutil.rmtree(scratch)
        export_policy(learners, tokenizer, partial)
        checkpoints.describe(partial, "policy", {**result, "engine": engine.description})


def _run(ppo: Ppo, first: int, partial: Path, metrics: MetricsLog) -> dict[str, object]:
    """Take the steps from first on; return the last one's figures, and why the run ended early."""
    config = ppo.config
    samples = MetricsLog(partial / "samples.jsonl", config.steps, first - 1)
    stats: Stats = {}
    stopped = ""
    for number in range(first, config.steps + 1):
        stats, rollout, completions = step(ppo, number, is_first=number == first)
        metrics.write(number, **stats)
        logger.info("step %d of %d: %s", number, config.steps, _summary(stats))
        if number % config.samples_every == 0 or number in (1, config.steps):
            _keep_samples(ppo, samples, number, rollout, completions)
        if config.max_kl and stats["kl"] > config.max_kl:
            stopped = f"KL {stats['kl']:.1f} passed max_kl {config.max_kl:g} at step {number}"
            logger.warning("stopped: %s", stopped)
            break
        if number % config.save_every == 0 and number < config.steps:
            resume.save(partial, number, **state(ppo.learners))
    names = ("kl", "reward", "score", "length", "eos_rate", "entropy")
    return {name: stats[name] for name in names if name in stats} | {"stopped": stopped}


def step(ppo: Ppo, number: int, *, is_first: bool) -> tuple[Stats, Rollout, list[Sampled]]:
    """Take step number (1..): sync, sample, look, reward, learn.

    The engine was started on the policy as it is, so the first step of a process needs no sync.
    """
    config, clock = ppo.config, Clock()
    with clock("syncing"):
        if not is_first:
            sync(ppo.engine, ppo.learners.policy, ppo.tokenizer, number)
        longest = max(ppo.prompt_ids, key=len)
        sync_difference = probe(ppo.engine, ppo.learners.policy, longest, config.temperature)
    with clock("sampling"):
        prompts = [ppo.prompt_ids[row] for row in _prompt_rows(ppo, number)]
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
        targets, reward = _targets(rollout, config)
        ptx = _ptx_batches(ppo, number)
        learned = update(ppo.learners, rollout, targets, plan, ptx, config, number)
    stats = _rollout_stats(rollout, targets, reward) | learned | clock.seconds
    stats["tokens_per_second"] = float(rollout.is_completion.sum()) / clock.seconds["seconds_sampling"]
    stats["sync_difference"] = sync_difference
    return stats, rollout, completions


def _targets(rollout: Rollout, config: PpoConfig) -> tuple[Targets, float]:
    """Return the update's targets, and the mean reward a completion."""
    mask = rollout.is_completion
    rewards = token_rewards(rollout.scores, rollout.kl, mask, config.kl_coef)
    mean_reward = float(rewards.sum(1).mean())
    if config.whiten_rewards:
        rewards = whiten(rewards, mask, shift_mean=False)
    advantages, returns = advantages_and_returns(rewards, rollout.values, mask, config.gamma, config.lam)
    return Targets(whiten(advantages, mask), returns), mean_reward


def _rollout_stats(rollout: Rollout, targets: Targets, reward: float) -> Stats:
    mask = rollout.is_completion
    mismatch = (rollout.old_logprobs - rollout.engine_logprobs)[mask].abs()
    return {
        "reward": reward,
        "score": float(rollout.scores.mean()),
        "kl": float(rollout.kl.sum(1).mean()),
        "length": float(mask.sum(1).float().mean()),
        "eos_rate": float(rollout.is_stopped.float().mean()),
        "explained_variance": explained_variance(rollout.values, targets.returns, mask),
        "mismatch": float(mismatch.mean()),
        "mismatch_max": float(mismatch.max()),
    }


class Clock:
    """Where a step's seconds went."""

    def __init__(self) -> None:
        self.seconds: Stats = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Count the time inside as seconds_<name>."""
        began = time.monotonic()
        yield
        self.seconds[f"seconds_{name}"] = time.monotonic() - began


def _prompt_rows(ppo: Ppo, number: int) -> list[int]:
    return cycled(len(ppo.prompt_ids), ppo.config.batch_size, number, ppo.config.seed)


def _first_seed(config: PpoConfig, number: int) -> int:
    """Return the seed of a step's first rollout; no two rollouts of a run share one."""
    return config.seed * 1_000_000_007 + (number - 1) * config.batch_size


def _ptx_batches(ppo: Ppo, number: int) -> Iterator[Batch]:
    """Yield one batch of pretraining text an update: ptx_ratio texts for each rollout in it (C.4)."""
    config = ppo.config
    size = config.ptx_ratio * config.batch_size // config.minibatches
    updates = config.epochs * config.minibatches
    for place in range(updates if ppo.texts else 0):
        rows = cycled(len(ppo.texts), size, (number - 1) * updates + place + 1, config.seed + 1)
        yield collate([ppo.texts[row] for row in rows], ppo.tokenizer.pad_token_id).to(device())


def _check_inputs(
    reward_model: Path, tokenizer: PreTrainedTokenizerBase, pretraining: Path | None, config: PpoConfig
) -> None:
    checkpoints.check(reward_model, "reward_model")
    if load_tokenizer(reward_model).get_vocab() != tokenizer.get_vocab():
        raise BadInput(f"--reward-model {reward_model}: has another tokenizer than the policy")
    if config.ptx_coef and pretraining is None:
        raise BadInput("ptx_coef: mixing in pretraining text needs --pretraining FILE; or set ptx_coef to 0")
    if config.batch_size < config.minibatches:
        raise BadInput(
            f"minibatches: {config.minibatches} cannot be cut from a batch_size of {config.batch_size}"
        )


def _training_prompts(path: Path) -> list[Prompt]:
    prompts = [prompt for prompt in read_prompts(path) if prompt.split in (None, "train")]
    if not prompts:
        raise BadInput(f"{path}: every prompt is held out by its split, none is left to train on")
    return prompts


def _encode_texts(
    path: Path | None, tokenizer: PreTrainedTokenizerBase, config: PpoConfig
) -> list[tuple[list[int], list[int]]]:
    """Return pretraining texts, each cut to what a prompt and its completion may have."""
    if path is None or not config.ptx_coef:
        return []
    longest = config.max_prompt_tokens + config.max_completion_tokens
    encoded = [encode_text(tokenizer, text, longest) for text in read_texts(path)]
    kept = [(first, rest) for first, rest in encoded if rest]
    if not kept:
        raise BadInput(f"{path}: no text of two tokens or more")
    return kept


def _load_models(policy: Path, reward_model: Path, config: PpoConfig) -> tuple[Learners, Models]:
    learning = load_policy(policy)
    value_model = load_reward_model(reward_model)
    learners = make_learners(learning, value_model, config)
    reference = load_policy(policy).requires_grad_(False)
    judge = load_reward_model(reward_model).requires_grad_(False)
    return learners, Models(learning, reference, judge, value_model)


def _start(
    learners: Learners, tokenizer: PreTrainedTokenizerBase, scratch: Path, config: PpoConfig
) -> Engine:
    try:
        return start_on(
            learners.policy,
            tokenizer,
            scratch,
            engine=config.engine,
            dtype=config.engine_dtype,
            max_model_len=config.max_prompt_tokens + max(config.max_completion_tokens, PROBE_TOKENS),
        )
    except EngineError as error:
        raise BadInput(f"engine: {error}") from error


def _keep_samples(
    ppo: Ppo, samples: MetricsLog, number: int, rollout: Rollout, completions: Sequence[Sampled]
) -> None:
    kl = rollout.kl.sum(1).tolist()
    rows = _prompt_rows(ppo, number)[:KEPT_SAMPLES]
    for place, row in enumerate(rows):
        samples.write(
            number,
            id=ppo.prompts[row].id,
            prompt=ppo.prompts[row].prompt[-1]["content"],
            completion=decode(ppo.tokenizer, completions[place].token_ids),
            finish_reason=completions[place].finish_reason,
            score=float(rollout.scores[place]),
            kl=kl[place],
        )


def _summary(stats: Stats) -> str:
    names = ("reward", "score", "kl", "length", "eos_rate", "clipfrac", "explained_variance")
    return " ".join(f"{name} {stats[name]:.3f}" for name in names)
