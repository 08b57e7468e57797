"""The SFT stage: a policy from demonstrations (InstructGPT, section 3.5 and C.1)."""

import logging
import shutil
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trainer import checkpoints, many, resume
from trainer.config import SftConfig
from trainer.data import (
    BadInput,
    Demonstration,
    batches,
    cycled,
    held_out,
    read_demonstrations,
    read_texts,
)
from trainer.dropout import residual_dropout
from trainer.hardware import autocast, device
from trainer.losses import token_loss
from trainer.metrics import MetricsLog
from trainer.optimizer import (
    cosine_lr,
    make_optimizer,
    take_step,
)
from trainer.packing import pack_rows
from trainer.policy import completion_logprobs, load_policy, save_policy
from trainer.selection import Selection, selecting
from trainer.tokens import (
    Message,
    collate,
    encode_completion,
    encode_prompt,
    encode_text,
    is_completion,
    load_tokenizer,
    micro_batches,
)
from trainer.what_learns import choose_what_learns

# (prompt ids, completion ids); only the completion is learned.
Encoded = tuple[list[int], list[int]]


def train_sft(
    config: SftConfig,
    *,
    policy: Path,
    demonstrations: Path,
    pretraining: Path | None,
    reward_model: Path | None = None,
    out: Path,
) -> None:
    """Fine-tune a policy and write its checkpoint. Raises BadInput for unusable input.

    With a reward model the epoch is kept whose completions of held-out prompts score best, else the last.
    """
    with checkpoints.writing(out) as partial, ExitStack() as stack:
        inputs = {
            "policy": policy,
            "demonstrations": demonstrations,
            "pretraining": pretraining,
            "reward_model": reward_model,
        }
        checkpoints.begin(partial, "sft", config.model_dump(mode="json"), inputs)
        rows = read_demonstrations(demonstrations)
        train_rows, valid_rows, how = held_out(rows, config.valid_fraction)
        if not train_rows:
            raise BadInput(f"{demonstrations}: no demonstration to train on; all are held out")
        tokenizer = load_tokenizer(policy)
        train = _encoded(train_rows, tokenizer, config)
        valid = _encoded(valid_rows, tokenizer, config)
        texts = _texts(pretraining, tokenizer, config)
        model = _learning(load_policy(policy), config)
        selection = None
        if reward_model is not None:
            asked = [prompt for prompt, _ in valid]
            chosen = selecting(config, model, tokenizer, reward_model, asked, partial / "engine")
            selection = stack.enter_context(chosen)
        learner = Learner(config, model, tokenizer, train, valid, texts, partial, selection)
        result: dict[str, object] = {"loss": learner.learn(), "held_out": how}
        result |= {"demonstrations": len(train_rows), "targets": len(train)}
        if selection is not None:
            result |= learner.take_best(selection)
            shutil.rmtree(partial / "engine", ignore_errors=True)
        result["valid_loss"] = learner.loss_of(valid) if valid else None
        save_policy(model, tokenizer, partial)
        checkpoints.describe(partial, "policy", result)


def _learning(model: PreTrainedModel, config: SftConfig) -> PreTrainedModel:
    """Return the policy, ready to learn as the config says."""
    torch.manual_seed(config.seed)  # new adapters are the same ones in every process
    # With adapters nothing else learns, an output layer of the policy's own least of all.
    model.requires_grad_(not config.lora_rank)
    choose_what_learns(
        model.base_model, lora_rank=config.lora_rank, gradient_checkpointing=config.gradient_checkpointing
    )
    many.shard(model)
    return model


def _encoded(
    rows: Sequence[Demonstration], tokenizer: PreTrainedTokenizerBase, config: SftConfig
) -> list[Encoded]:
    return [
        (
            encode_prompt(tokenizer, prompt, config.max_prompt_tokens),
            encode_completion(tokenizer, completion, config.max_completion_tokens),
        )
        for row in rows
        for prompt, completion in targets_of(row, config.targets)
    ]


def targets_of(row: Demonstration, targets: str) -> list[tuple[Sequence[Message], str]]:
    """Return (prompt, completion) of a demonstration, and of each assistant turn before it if wanted.

    Each turn is asked as sampling would ask it, with nothing after it, so its ids are the ones it would have.
    """
    found: list[tuple[Sequence[Message], str]] = [(row.prompt, row.completion)]
    if targets == "assistant_turns":
        turns = enumerate(row.prompt)
        found += [(row.prompt[:at], m["content"]) for at, m in turns if at and m["role"] == "assistant"]
    return found


def _texts(file: Path | None, tokenizer: PreTrainedTokenizerBase, config: SftConfig) -> list[Encoded]:
    if file is None:
        return []
    longest = config.max_prompt_tokens + config.max_completion_tokens
    encoded = [encode_text(tokenizer, text, longest) for text in read_texts(file)]
    return [(first, rest) for first, rest in encoded if rest]


class Learner:
    """What lives through the steps: policy, optimizer, log, and where the state is saved."""

    def __init__(
        self,
        config: SftConfig,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        train: list[Encoded],
        valid: list[Encoded],
        texts: list[Encoded],
        partial: Path,
        selection: Selection | None,
    ) -> None:
        self.config, self.train, self.valid, self.texts = config, train, valid, texts
        self.pad_id = int(tokenizer.pad_token_id)
        longest = max([*train, *valid, *texts], key=lambda pair: len(pair[0]) + len(pair[1]))
        many.within(model, lambda policy: pack_rows(policy.base_model, [*longest[0], *longest[1]]))
        self.partial, self.model, self.selection = partial, model, selection
        betas = (config.adam_beta1, config.adam_beta2)
        learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.optimizer = make_optimizer(learning, betas, config.adam_eps)
        self.order = batches(len(train), config.batch_size, config.epochs, config.seed)
        torch.manual_seed(config.seed)
        best = selection.best if selection else {}
        self.learning = {"model": model, "optimizer": self.optimizer, "best": best}
        self.done = resume.restore(partial, **self.learning)
        self.log = MetricsLog(partial / "metrics.jsonl", len(self.order), self.done)

    def learn(self) -> float | None:
        """Take the steps that are left; return the last one's loss."""
        loss = None
        for step in range(self.done + 1, len(self.order) + 1):
            started = time.monotonic()
            batch = self._batch(step)
            metrics = self.step(step, batch)
            loss = metrics["loss"]
            tokens = sum(len(completion) for _, completion in batch)
            metrics["tokens_per_second"] = tokens / (time.monotonic() - started)
            if self.valid and step % self.config.valid_every == 0:
                metrics["valid_loss"] = self.loss_of(self.valid[: self.config.valid_limit])
            if self.selection is not None and step % (len(self.order) // self.config.epochs) == 0:
                metrics |= self.selection.look(self.model, step)
            self.log.write(step, **metrics)
            logging.info("step %d of %d: loss %.4f", step, len(self.order), loss)
            if step % self.config.save_every == 0 and step < len(self.order):
                resume.save(self.partial, step, **self.learning)
        return loss

    def take_best(self, selection: Selection) -> dict[str, float]:
        """Put the best epoch's weights into the policy; return which it was and its score."""
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(selection.best[name])
        epoch = int(selection.best["step"]) * self.config.epochs // len(self.order)
        return {"selected_epoch": epoch, "valid_score": float(selection.best["score"])}

    def _batch(self, step: int) -> list[Encoded]:
        """Return a step's demonstrations, and its share of pretraining text if there is any."""
        batch = [self.train[i] for i in self.order[step - 1]]
        if not self.texts:
            return batch
        fraction = self.config.pretraining_fraction
        count = round(self.config.batch_size * fraction / (1 - fraction))
        return batch + [self.texts[i] for i in cycled(len(self.texts), count, step, self.config.seed)]

    def step(self, step: int, batch: Sequence[Encoded]) -> dict[str, float]:
        """Learn from one batch: the mean over all its completion tokens."""
        token_count = sum(len(completion) for _, completion in batch)
        total = 0.0
        with residual_dropout(self.model.base_model, self.config.residual_dropout):
            for group, weight in many.shares(self._groups(batch)):
                loss = weight * self._loss(group, token_count)
                loss.backward()
                total += float(loss.detach())
        lr = cosine_lr(self.config.lr, step, len(self.order), self.config.lr_floor)
        norm = take_step(self.optimizer, lr, self.config.max_grad_norm)
        return many.summed({"loss": total}) | {"lr": lr, "grad_norm": norm}

    def _groups(self, batch: Sequence[Encoded]) -> list[list[Encoded]]:
        lengths = [len(prompt) + len(completion) for prompt, completion in batch]
        groups = micro_batches(lengths, self.config.micro_batch_tokens)
        return [[batch[i] for i in group] for group in groups]

    def _loss(self, group: Sequence[Encoded], token_count: int) -> torch.Tensor:
        batch = collate(group, self.pad_id).to(device())
        with autocast(self.config.dtype):
            logprobs, _ = completion_logprobs(self.model, batch)
        return token_loss(logprobs, is_completion(batch), token_count)

    @torch.no_grad()
    def loss_of(self, encoded: Sequence[Encoded]) -> float:
        """Return the loss a completion token, in nats."""
        token_count = sum(len(completion) for _, completion in encoded)
        return sum(float(self._loss(group, token_count)) for group in self._groups(encoded))
