"""The reward stage: a reward model from rankings (InstructGPT, section 3.5)."""

import logging
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerBase

from trainer import checkpoints, resume
from trainer.config import RewardConfig
from trainer.data import (
    BadInput,
    Demonstration,
    Ranking,
    batches,
    held_out,
    read_demonstrations,
    read_rankings,
)
from trainer.hardware import autocast, device
from trainer.intervals import ratio_interval
from trainer.losses import reward_loss
from trainer.metrics import MetricsLog
from trainer.optimizer import (
    cosine_lr,
    make_optimizer,
    take_step,
)
from trainer.rankings import JudgedPrompt, judged_prompts, ties
from trainer.reward_model import (
    RewardModel,
    freeze_but_last,
    new_reward_model,
    pad_completions,
    save_reward_model,
    scores_of,
)
from trainer.tokens import (
    collate,
    encode_completion,
    encode_prompt,
    load_tokenizer,
    micro_batches,
)

# Encoding the prompt once runs one prompt at a time, so it has to save this much.
_WORTH_SHARING = 1.2


def train_reward(
    config: RewardConfig, *, policy: Path, rankings: Path, demonstrations: Path | None, out: Path
) -> None:
    """Train a reward model and write its checkpoint. Raises BadInput for unusable input."""
    with checkpoints.writing(out) as partial:
        inputs = {"policy": policy, "rankings": rankings, "demonstrations": demonstrations}
        checkpoints.begin(partial, "reward", config.model_dump(mode="json"), inputs)
        rows = read_rankings(rankings)
        train_rows, valid_rows, how = held_out(rows, config.valid_fraction)
        shown, zero = zero_point(demonstrations, train_rows)
        tokenizer = load_tokenizer(policy)
        limits = (config.max_prompt_tokens, config.max_completion_tokens)
        train = judged_prompts(train_rows, tokenizer, *limits)
        valid = judged_prompts(valid_rows, tokenizer, *limits)
        if not train:
            raise BadInput(f"{rankings}: no comparison to train on; every ranking is a tie")
        logging.info("%d prompts to train on, %d held out by %s", len(train), len(valid), how)
        model = new_reward_model(policy, config.seed)
        learner = _Learner(config, model, tokenizer, train, valid, partial)
        learner.learn()
        centre(model, shown, tokenizer, config)
        learner.log.phase("measuring accuracy")
        result = learner.measure(valid) | {"held_out": how, "bias": float(model.head.bias)}
        save_reward_model(model, tokenizer, partial)
        tied = sum(ties(row) for row in valid_rows)
        checkpoints.describe(partial, "reward_model", result | {"ties": tied, "zero": zero})


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


class _Learner:
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
        if config.trained_layers is not None:
            freeze_but_last(model.backbone, config.trained_layers)
        # The loss does not see the bias; only centre() sets it.
        model.head.bias.requires_grad_(False)
        learning = [p for p in model.parameters() if p.requires_grad]
        betas = (config.adam_beta1, config.adam_beta2)
        self.optimizer = make_optimizer(learning, betas, config.adam_eps)
        self.order = batches(len(train), config.batch_size, config.epochs, config.seed)
        self.learning = {"model": model, "optimizer": self.optimizer}
        self.done = resume.restore(partial, **self.learning)
        self.log = MetricsLog(partial / "metrics.jsonl", len(self.order), self.done)
        self.share = shares_prompt(model, train, config.share_prompt, self.pad_id)

    def learn(self) -> None:
        """Take the steps that are left."""
        for step in range(self.done + 1, len(self.order) + 1):
            started = time.monotonic()
            batch = [self.train[i] for i in self.order[step - 1]]
            metrics = self._step(step, batch)
            metrics["prompts_per_second"] = len(batch) / (time.monotonic() - started)
            if self.valid and step % self.config.valid_every == 0:
                metrics |= self._glance()
            self.log.write(step, **metrics)
            logging.info("step %d of %d: loss %.4f", step, len(self.order), metrics["loss"])
            if step % self.config.save_every == 0 and step < len(self.order):
                resume.save(self.partial, step, **self.learning)

    def _step(self, step: int, batch: Sequence[JudgedPrompt]) -> dict[str, float]:
        """Learn from one batch of prompts: the mean over prompts of their mean loss."""
        total = torch.zeros(())
        right = comparisons = 0
        for group in self._groups(batch):
            scores = self._scores(group)
            losses = [_loss(s, judged) for s, judged in zip(scores, group, strict=True)]
            loss = torch.stack(losses).sum() / len(batch)
            loss.backward()
            total += loss.detach().cpu()
            right += sum(_right(s, judged) for s, judged in zip(scores, group, strict=True))
            comparisons += sum(len(judged.comparisons) for judged in group)
        lr = cosine_lr(self.config.lr, step, len(self.order), self.config.lr_floor)
        norm = take_step(self.optimizer, lr, self.config.max_grad_norm)
        return {
            "loss": float(total),
            "train_accuracy": right / comparisons,
            "lr": lr,
            "grad_norm": norm,
        }

    def _groups(self, batch: Sequence[JudgedPrompt]) -> list[list[JudgedPrompt]]:
        if self.share:
            return [[judged] for judged in batch]
        sizes = [judged.padded_tokens for judged in batch]
        groups = micro_batches(sizes, self.config.micro_batch_tokens)
        return [[batch[i] for i in group] for group in groups]

    def _scores(self, group: Sequence[JudgedPrompt]) -> list[torch.Tensor]:
        with autocast(self.config.dtype):
            if self.share:
                return [shared_scores(self.model, judged, self.pad_id) for judged in group]
            return plain_scores(self.model, group, self.pad_id)

    def _glance(self) -> dict[str, float]:
        """Return held-out loss and accuracy on the first few prompts."""
        seen = self.measure(self.valid[: self.config.valid_limit], interval=False)
        return {key: float(seen[key]) for key in ("valid_loss", "accuracy")}

    @torch.no_grad()
    def measure(
        self, valid: Sequence[JudgedPrompt], *, interval: bool = True
    ) -> dict[str, float | int | None]:
        """Return accuracy over comparisons, with a 95 % interval over prompts, and loss."""
        if not valid:
            return {"accuracy": None, "comparisons": 0, "prompts": 0}
        scored = [(s, j) for g in self._groups(valid) for s, j in zip(self._scores(g), g, strict=True)]
        right = [_right(scores, judged) for scores, judged in scored]
        counts = [len(judged.comparisons) for _, judged in scored]
        losses = [float(_loss(scores, judged)) for scores, judged in scored]
        result: dict[str, float | int | None] = {
            "accuracy": sum(right) / sum(counts),
            "comparisons": sum(counts),
            "prompts": len(valid),
            "valid_loss": sum(losses) / len(losses),
            "longer_accuracy": sum(_longer(judged) for judged in valid) / sum(counts),
        }
        if interval:
            low, high = ratio_interval(right, counts)
            result |= {"accuracy_low": low, "accuracy_high": high}
        return result


def _loss(scores: torch.Tensor, judged: JudgedPrompt) -> torch.Tensor:
    return reward_loss(scores, torch.tensor(judged.comparisons, device=scores.device))


def _right(scores: torch.Tensor, judged: JudgedPrompt) -> int:
    values = scores.tolist()
    return sum(values[chosen] > values[rejected] for chosen, rejected in judged.comparisons)


def _longer(judged: JudgedPrompt) -> int:
    """Return how many comparisons the longer completion wins: what a score has to beat."""
    lengths = [len(completion) for completion in judged.completions]
    return sum(lengths[chosen] > lengths[rejected] for chosen, rejected in judged.comparisons)


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


@torch.no_grad()
def centre(
    model: RewardModel,
    demonstrations: Sequence[Demonstration],
    tokenizer: PreTrainedTokenizerBase,
    config: RewardConfig,
) -> None:
    """Set the bias so that demonstrations score 0 on average."""
    shown = demonstrations[: config.demonstration_limit]
    sequences = [
        (
            encode_prompt(tokenizer, row.prompt, config.max_prompt_tokens),
            encode_completion(tokenizer, row.completion, config.max_completion_tokens),
        )
        for row in shown
    ]
    scores = scores_of(
        model,
        sequences,
        int(tokenizer.pad_token_id),
        micro_batch_tokens=config.micro_batch_tokens,
        dtype=config.dtype,
    )
    model.head.bias -= scores.mean().to(model.head.bias.device)
