"""The reward stage: a reward model from rankings (InstructGPT, section 3.5)."""

import json
import logging
import random
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerBase

from trainer import checkpoints, many, resume
from trainer.accuracy import Scored, figures, judgements, overfits_from, right
from trainer.config import RewardConfig
from trainer.data import BadInput, Ranking, batches, held_out, read_rankings
from trainer.hardware import autocast
from trainer.judged_scores import plain_scores, shared_scores, shares_prompt
from trainer.losses import reward_loss
from trainer.metrics import MetricsLog
from trainer.optimizer import cosine_lr, make_optimizer, take_step
from trainer.rankings import JudgedPrompt, judged_prompts, ties_of
from trainer.reward_model import RewardModel, new_reward_model, save_reward_model, shard
from trainer.tokens import balanced, load_tokenizer, micro_batches
from trainer.what_learns import choose_what_learns
from trainer.zero_point import centre, zero_point


def train_reward(
    config: RewardConfig, *, policy: Path, rankings: Path, demonstrations: Path | None, out: Path
) -> None:
    """Train a reward model and write its checkpoint. Raises BadInput for unusable input."""
    with checkpoints.writing(out) as partial:
        inputs = {"policy": policy, "rankings": rankings, "demonstrations": demonstrations}
        checkpoints.begin(partial, "reward", config.model_dump(mode="json"), inputs)
        rows = read_rankings(rankings)
        train_rows, valid_rows, how = held_out(rows, config.valid_fraction)
        if not train_rows:
            raise BadInput(f"{rankings}: no ranking to train on; all are held out")
        shown, zero = zero_point(demonstrations, train_rows)
        tokenizer = load_tokenizer(policy)
        train = _judged(train_rows, tokenizer, config)
        valid = _judged(valid_rows, tokenizer, config)
        if not train:
            raise BadInput(f"{rankings}: no comparison to train on; every ranking is a tie")
        logging.info("%d prompts to train on, %d held out by %s", len(train), len(valid), how)
        result: dict[str, object] = {"held_out": how, "zero": zero}
        if config.labeler_folds:
            result |= _by_labeler_group(config, policy, tokenizer, train_rows, valid_rows, partial)
        learner = Learner(config, _new_model(config, policy), tokenizer, train, valid, partial)
        model = learner.model
        learner.learn()
        centre(model, shown, tokenizer, config)
        learner.log.phase("measuring accuracy")
        result |= learner.measure(valid) | {"bias": float(many.whole(model.head.bias))}
        result["score_std"] = model.backbone.config.score_std
        result["overfits_from"] = overfits_from(learner.log.series("valid_loss"))
        result["ties"] = sum(len(ties_of(row.ranks, range(len(row.ranks)))) for row in valid_rows)
        save_reward_model(model, tokenizer, partial)
        checkpoints.describe(partial, "reward_model", result)


def _new_model(config: RewardConfig, policy: Path) -> RewardModel:
    return new_reward_model(
        policy,
        config.seed,
        layers=config.layers,
        pooling=config.pooling,
        # A head that learns fast need not begin at random, where chance outweighs what few rankings say.
        head_at_zero=config.head_lr is not None,
    )


def _judged(
    rows: Sequence[Ranking], tokenizer: PreTrainedTokenizerBase, config: RewardConfig
) -> list[JudgedPrompt]:
    limits = (config.max_prompt_tokens, config.max_completion_tokens)
    return judged_prompts(rows, tokenizer, *limits, keep_ties=config.ties == "half")


def _by_labeler_group(
    config: RewardConfig,
    policy: Path,
    tokenizer: PreTrainedTokenizerBase,
    train_rows: Sequence[Ranking],
    valid_rows: Sequence[Ranking],
    partial: Path,
) -> dict[str, object]:
    """Return held-out accuracy on labelers a model learned from, and on labelers it never saw.

    Each group of labelers is judged by a model trained on the others, as in the paper's section 4.1. What was
    found is kept with the saved state, so that a killed run need not find it again.
    """
    kept = partial / "state" / "labeler_groups.json"
    if kept.exists():
        found: dict[str, object] = json.loads(kept.read_text())
        return found
    groups = labeler_groups([*train_rows, *valid_rows], config.labeler_folds, config.seed)
    seen: list[Scored] = []
    unseen: list[Scored] = []
    for number, group in enumerate(groups, start=1):
        logging.info("fold %d of %d: %d labelers left out", number, len(groups), len(group))
        folder = partial / "state" / f"fold-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        train = _judged([row for row in train_rows if row.labeler not in group], tokenizer, config)
        if not train:
            raise BadInput(f"labeler_folds: fold {number} leaves no comparison to train on; take fewer folds")
        learner = Learner(config, _new_model(config, policy), tokenizer, train, [], folder)
        learner.learn()
        for scored, is_seen in ((seen, True), (unseen, False)):
            rows = [row for row in valid_rows if (row.labeler not in group) == is_seen]
            scored += learner.scored(_judged(rows, tokenizer, config))
    found = {"seen_labelers": figures(seen), "unseen_labelers": figures(unseen)}
    checkpoints.write_json(kept, found)
    return found


def labeler_groups(rows: Sequence[Ranking], count: int, seed: int) -> list[set[str | None]]:
    """Return the labelers of these rows in count groups of like size. Raises BadInput for too few."""
    labelers = sorted({row.labeler for row in rows if row.labeler is not None})
    if len(labelers) < count:
        raise BadInput(f"labeler_folds: {count} groups need {count} labelers; the file names {len(labelers)}")
    random.Random(f"{seed}/labelers").shuffle(labelers)
    return [set(labelers[number::count]) for number in range(count)]


class Learner:
    """What lives through the steps: model, optimizer, log, and where the state is saved."""

    def __init__(
        self,
        config: RewardConfig,
        model: RewardModel,
        tokenizer: PreTrainedTokenizerBase,
        train: list[JudgedPrompt],
        valid: list[JudgedPrompt],
        partial: Path,
    ) -> None:
        self.config, self.model, self.train, self.valid = config, model, train, valid
        self.pad_id = int(tokenizer.pad_token_id)
        self.partial = partial
        choose_what_learns(
            model.backbone,
            trained_layers=config.trained_layers,
            lora_rank=config.lora_rank,
            gradient_checkpointing=config.gradient_checkpointing,
        )
        # The loss does not see the bias; only centre() sets it.
        model.head.bias.requires_grad_(False)
        shard(model)
        learning = [p for p in model.parameters() if p.requires_grad]
        betas = (config.adam_beta1, config.adam_beta2)
        faster = None if config.head_lr is None else (config.head_lr / config.lr, model.head.weight)
        self.optimizer = make_optimizer(learning, betas, config.adam_eps, faster=faster)
        self.order = batches(len(train), config.batch_size, config.epochs, config.seed)
        self.learning = {"model": model, "optimizer": self.optimizer}
        self.done = resume.restore(partial, **self.learning)
        self.log = MetricsLog(partial / "metrics.jsonl", len(self.order), self.done)
        self.share = shares_prompt(model, [*train, *valid], config.share_prompt, self.pad_id)

    def learn(self) -> None:
        """Take the steps that are left."""
        for step in range(self.done + 1, len(self.order) + 1):
            started = time.monotonic()
            batch = [self.train[i] for i in self.order[step - 1]]
            metrics = self.step(step, batch)
            metrics["prompts_per_second"] = len(batch) / (time.monotonic() - started)
            if self.valid and step % self.config.valid_every == 0:
                metrics |= self._glance()
            self.log.write(step, **metrics)
            if "valid_loss" in metrics:
                self._warn_of_overfitting()
            logging.info("step %d of %d: loss %.4f", step, len(self.order), metrics["loss"])
            if step % self.config.save_every == 0 and step < len(self.order):
                resume.save(self.partial, step, **self.learning)

    def step(self, step: int, batch: Sequence[JudgedPrompt]) -> dict[str, float]:
        """Learn from one batch of prompts: the mean over prompts of their mean loss."""
        total = torch.zeros(())
        hits = comparisons = 0.0
        for group, weight in many.shares(self._groups(batch)):
            scores = self._scores(group)
            losses = [_loss(s, judged) for s, judged in zip(scores, group, strict=True)]
            loss = weight * torch.stack(losses).sum() / len(batch)
            loss.backward()
            total += loss.detach().cpu()
            for s, judged in zip(scores, group, strict=True):
                hits += weight * right(judgements((s.tolist(), judged)))
                comparisons += weight * len(judged.comparisons)
        found = many.summed({"loss": float(total), "hits": hits, "comparisons": comparisons})
        lr = cosine_lr(self.config.lr, step, len(self.order), self.config.lr_floor)
        norm = take_step(self.optimizer, lr, self.config.max_grad_norm)
        return {
            "loss": found["loss"],
            "train_accuracy": found["hits"] / found["comparisons"] if found["comparisons"] else float("nan"),
            "lr": lr,
            "grad_norm": norm,
        }

    def _groups(self, batch: Sequence[JudgedPrompt]) -> list[list[JudgedPrompt]]:
        room = self.config.micro_batch_tokens
        if self.share:
            groups = balanced([judged.shared_tokens for judged in batch], room)
        else:
            groups = micro_batches([judged.padded_tokens for judged in batch], room)
        return [[batch[i] for i in group] for group in groups]

    def _scores(self, group: Sequence[JudgedPrompt]) -> list[torch.Tensor]:
        with autocast(self.config.dtype):
            if self.share:
                return shared_scores(self.model, group)
            return plain_scores(self.model, group, self.pad_id)

    def _glance(self) -> dict[str, float]:
        """Return held-out loss and accuracy on the first few prompts."""
        scored = self.scored(self.valid[: self.config.valid_limit])
        found = [judgement for one in scored for judgement in judgements(one)]
        return {"valid_loss": _mean_loss(scored), "accuracy": right(found) / max(1, len(found))}

    def _warn_of_overfitting(self) -> None:
        best = overfits_from(self.log.series("valid_loss"))
        if best is not None:
            logging.warning("held-out loss rises since step %d: take fewer epochs, or a lower rate", best)

    @torch.no_grad()
    def scored(self, judged: Sequence[JudgedPrompt]) -> list[Scored]:
        """Return the prompts with their scores."""
        return [
            (scores.tolist(), one)
            for group in self._groups(judged)
            for scores, one in zip(self._scores(group), group, strict=True)
        ]

    def measure(self, valid: Sequence[JudgedPrompt]) -> dict[str, object]:
        """Return how well scores agree with held-out rankings, and the loss."""
        scored = self.scored(valid)
        return figures(scored) | ({"valid_loss": _mean_loss(scored)} if scored else {})


def _mean_loss(scored: Sequence[Scored]) -> float:
    return sum(float(_loss(torch.tensor(scores), judged)) for scores, judged in scored) / len(scored)


def _loss(scores: torch.Tensor, judged: JudgedPrompt) -> torch.Tensor:
    comparisons = torch.tensor(judged.comparisons, dtype=torch.int64, device=scores.device).reshape(-1, 2)
    ties = torch.tensor(judged.ties, device=scores.device) if judged.ties else None
    return reward_loss(scores, comparisons, ties)
