"""A reward model: a policy's backbone with one number out. The value model is the same class."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModel, PreTrainedModel, PreTrainedTokenizerBase

from trainer import checkpoints, many
from trainer.data import BadInput
from trainer.hardware import autocast, device
from trainer.lora import merged_state
from trainer.packing import hidden_states
from trainer.tokens import Batch, collate, is_completion, load_tokenizer, micro_batches, predicting_positions
from trainer.tree_attention import Packed
from trainer.what_learns import layers_of


class RewardModel(nn.Module):
    """A backbone and a float32 head; the head's bias is what sets the mean score.

    The backbone's config says where a score is read: at a completion's last token, or as the mean over its
    tokens, EOS among them. A value is read alike, at the token before, or as the mean from the prompt's last
    token to it: so a value model begins near what the score of the completion so far would be.
    """

    def __init__(self, backbone: PreTrainedModel, pooling: str | None = None) -> None:
        super().__init__()
        self.backbone = backbone
        # A config keeps what it is told, so the checkpoint's own config.json knows.
        backbone.config.pooling = pooling or getattr(backbone.config, "pooling", "last")
        size = backbone.config.get_text_config().hidden_size
        self.head = nn.Linear(size, 1, dtype=torch.float32)
        nn.init.normal_(self.head.weight, std=(size + 1) ** -0.5)
        nn.init.zeros_(self.head.bias)

    def scores(self, batch: Batch) -> torch.Tensor:
        """Return (B,) float32: the score of each completion."""
        hidden = hidden_states(self.backbone, batch)
        rows = torch.arange(len(hidden), device=hidden.device)
        if self.backbone.config.pooling == "mean":
            own = is_completion(batch)
            # A token stands after the one whose output predicts it; beyond a row's end any will do.
            places = (predicting_positions(batch) + 1).clamp(max=hidden.shape[1] - 1)
            return (self._read(hidden[rows[:, None], places]) * own).sum(1) / own.sum(1)
        return self._read(hidden[rows, batch.lengths - 1])

    def values(self, batch: Batch) -> torch.Tensor:
        """Return (B, C) float32: the value before each completion token, 0 in padding."""
        hidden = hidden_states(self.backbone, batch)
        rows = torch.arange(len(hidden), device=hidden.device)[:, None]
        values = self._read(hidden[rows, predicting_positions(batch)])
        if self.backbone.config.pooling == "mean":
            so_far = torch.arange(1, values.shape[1] + 1, device=values.device)
            values = values.cumsum(1) / so_far
        return values * is_completion(batch)

    def scores_sharing_prompts(self, packed: Packed) -> torch.Tensor:
        """Return (M,) float32: the score of each completion of a row in which each prompt stands once.

        Needs tree_attention in the backbone. Gradients flow back through the prompts, so they equal those
        of scores().
        """
        hidden = self.backbone(
            input_ids=packed.ids, position_ids=packed.positions, segments=packed.segments, use_cache=False
        ).last_hidden_state
        if self.backbone.config.pooling == "mean":
            completions = [one for one in packed.segments if one.prefix_end > one.prefix_start]
            return torch.stack([self._read(hidden[0, one.start : one.end]).mean() for one in completions])
        return self._read(hidden[0, packed.ends - 1])

    def _read(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return the head's number, in float32 even under autocast: (..., d) to (...)."""
        with torch.autocast(hidden.device.type, enabled=False):
            score: torch.Tensor = self.head(hidden.float()).squeeze(-1)
        return score


@torch.no_grad()
def scores_of(
    model: RewardModel,
    sequences: Sequence[tuple[Sequence[int], Sequence[int]]],
    pad_id: int,
    *,
    micro_batch_tokens: int,
    dtype: str,
) -> torch.Tensor:
    """Return (N,) float32 on the CPU: the score of each (prompt ids, completion ids)."""
    scores = torch.zeros(len(sequences))
    lengths = [len(prompt) + len(completion) for prompt, completion in sequences]
    for rows in micro_batches(lengths, micro_batch_tokens):
        batch = collate([sequences[row] for row in rows], pad_id).to(device())
        with autocast(dtype):
            scores[rows] = model.scores(batch).cpu()
    return scores


def new_reward_model(
    policy: Path,
    seed: int,
    *,
    layers: int | None = None,
    pooling: str = "last",
    head_at_zero: bool = False,
) -> RewardModel:
    """Return a reward model on a policy's backbone, its head new: N(0, 1/sqrt(d+1)) or 0, bias 0.

    layers takes the first ones alone. Raises BadInput where the policy has no more.
    """
    checkpoints.check(policy, "policy")
    torch.manual_seed(seed)
    model = RewardModel(_backbone(policy, layers), pooling)
    if head_at_zero:
        nn.init.zeros_(model.head.weight)
    return _on_device(model)


def load_reward_model(folder: Path) -> RewardModel:
    """Return the reward model of a checkpoint folder, or a value model begun from it."""
    checkpoints.check(folder, "reward_model")
    model = RewardModel(_backbone(folder))
    model.head.load_state_dict(load_file(folder / "head.safetensors"))
    return _on_device(model)


def load_judge(folder: Path, tokenizer: PreTrainedTokenizerBase) -> RewardModel:
    """Return a frozen reward model that reads a policy's tokens. Raises BadInput where it cannot."""
    check_judge(folder, tokenizer)
    return load_reward_model(folder).requires_grad_(False)


def check_judge(folder: Path, tokenizer: PreTrainedTokenizerBase, option: str = "--reward-model") -> None:
    """Raise BadInput unless folder is a reward model that reads a policy's tokens."""
    checkpoints.check(folder, "reward_model")
    if load_tokenizer(folder).get_vocab() != tokenizer.get_vocab():
        raise BadInput(f"{option} {folder}: has another tokenizer than the policy")


def score_std(folder: Path) -> float:
    """Return the standard deviation of demonstrations' scores by a reward model, 0 where it is not known."""
    told = json.loads((folder / "config.json").read_text())
    return float(told.get("score_std", 0))


@torch.no_grad()
def scale(model: RewardModel) -> RewardModel:
    """Count the scores of a reward model, or what began as one, in that unit, much as Ziegler 2019 does."""
    for parameter in model.head.parameters():
        parameter /= model.backbone.config.score_std
    return model


def save_reward_model(model: RewardModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write backbone, head with its bias, and tokenizer into folder."""
    backbone, head = many.gathered(merged_state(model.backbone)), many.gathered(model.head.state_dict())
    if not many.is_first():
        return
    model.backbone.save_pretrained(folder, state_dict=backbone)
    save_file(head, folder / "head.safetensors")
    tokenizer.save_pretrained(folder)


def shard(model: RewardModel) -> RewardModel:
    """Leave each process its share of the model; it stays the same object."""
    many.shard(model, "scores", "values", "scores_sharing_prompts")
    return model


def _backbone(folder: Path, layers: int | None = None) -> PreTrainedModel:
    backbone = AutoModel.from_pretrained(folder, dtype=torch.float32)
    if layers is not None:
        _keep_first(backbone, layers, folder)
    return backbone


def _keep_first(backbone: PreTrainedModel, layers: int, folder: Path) -> None:
    blocks, config = layers_of(backbone), backbone.config.get_text_config()
    if layers > len(blocks):
        raise BadInput(f"layers: {folder} has {len(blocks)}, so take at most as many")
    del blocks[layers:]
    config.num_hidden_layers = layers
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:layers]


def _on_device(model: RewardModel) -> RewardModel:
    return model.eval().to(device())
