"""Text to token ids, and ids to padded batches.

A prompt and its completion are tokenised apart and joined as ids, so the same
prompt has the same ids whatever follows it. Everything here pads on the right;
masks come from lengths, never from looking for the padding id.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

Message = Mapping[str, str]

# For tokenizers without a chat template of their own: base models, mostly.
PLAIN_TEMPLATE = (
    "{% for m in messages %}{{ m['role'] | capitalize }}: {{ m['content'] }}\n\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant: {% endif %}"
)


@dataclass(frozen=True)
class Batch:
    """Prompts with their completions, padded on the right.

    ids: (B, L) int64; prompt_lengths and lengths (prompt + completion): (B,) int64.
    """

    ids: torch.Tensor
    prompt_lengths: torch.Tensor
    lengths: torch.Tensor

    def to(self, device: torch.device) -> "Batch":
        return Batch(self.ids.to(device), self.prompt_lengths.to(device), self.lengths.to(device))


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Return the tokenizer of a policy folder, its padding never its EOS."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.eos_token_id is not None, f"{folder}: the tokenizer has no EOS token"
    if tokenizer.chat_template is None:
        tokenizer.chat_template = PLAIN_TEMPLATE
    if tokenizer.pad_token_id in (None, tokenizer.eos_token_id):
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(_spare_id(tokenizer))
    return tokenizer


def _spare_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return a special token's id to pad with; the embedding need not grow for it."""
    special = [i for i in tokenizer.all_special_ids if i != tokenizer.eos_token_id]
    return min(special) if special else int(tokenizer.eos_token_id == 0)


def encode_prompt(
    tokenizer: PreTrainedTokenizerBase, prompt: Sequence[Message], max_tokens: int
) -> list[int]:
    """Return the ids of a prompt, up to where the completion begins.

    A prompt over max_tokens loses its earliest turns first, then the middle of its
    last message: what is asked usually stands at the start or at the end.
    """
    ids = _render(tokenizer, prompt)
    messages = list(prompt)
    while len(ids) > max_tokens and len(messages) > 1:
        # A system message at the front outlives the turns after it.
        del messages[1 if messages[0]["role"] == "system" and len(messages) > 2 else 0]
        ids = _render(tokenizer, messages)
    keep = len(tokenizer.encode(messages[-1]["content"], add_special_tokens=False))
    while len(ids) > max_tokens and keep > 0:
        keep = max(0, keep - (len(ids) - max_tokens))
        content = _cut_middle(tokenizer, prompt[-1]["content"], keep)
        ids = _render(tokenizer, [*messages[:-1], {**messages[-1], "content": content}])
    # A template longer than the limit by itself leaves nothing else to cut.
    return ids[-max_tokens:]


def _render(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> list[int]:
    text = tokenizer.apply_chat_template(
        [dict(message) for message in messages], add_generation_prompt=True, tokenize=False
    )
    return list(tokenizer.encode(text, add_special_tokens=False))


def _cut_middle(tokenizer: PreTrainedTokenizerBase, text: str, keep: int) -> str:
    ids = tokenizer.encode(text, add_special_tokens=False)
    if len(ids) <= keep:
        return text
    head = keep // 2
    tail = ids[len(ids) - (keep - head) :] if keep > head else []
    return str(tokenizer.decode(ids[:head])) + " … " + str(tokenizer.decode(tail))


def encode_completion(tokenizer: PreTrainedTokenizerBase, text: str, max_tokens: int) -> list[int]:
    """Return the ids of a completion: at most max_tokens, the last of them EOS."""
    ids = list(tokenizer.encode(text, add_special_tokens=False))
    return [*ids[: max_tokens - 1], tokenizer.eos_token_id]


def encode_text(
    tokenizer: PreTrainedTokenizerBase, text: str, max_tokens: int
) -> tuple[list[int], list[int]]:
    """Return pretraining text as (its first token, the rest), to be learned like a completion."""
    ids = list(tokenizer.encode(text, add_special_tokens=False))[:max_tokens]
    return ids[:1], ids[1:]


def decode(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    """Return a completion's text, without EOS and other special tokens."""
    return str(tokenizer.decode(list(ids), skip_special_tokens=True))


def collate(sequences: Sequence[tuple[Sequence[int], Sequence[int]]], pad_id: int) -> Batch:
    """Return one batch of (prompt ids, completion ids)."""
    lengths = [len(prompt) + len(completion) for prompt, completion in sequences]
    ids = torch.full((len(sequences), max(lengths)), pad_id)
    for row, (prompt, completion) in enumerate(sequences):
        assert len(prompt) > 0, "a prompt has at least one token, which predicts the next"
        ids[row, : lengths[row]] = torch.tensor([*prompt, *completion])
    prompt_lengths = torch.tensor([len(prompt) for prompt, _ in sequences])
    return Batch(ids, prompt_lengths, torch.tensor(lengths))


def is_completion(batch: Batch) -> torch.Tensor:
    """Return (B, C) bool: True where column j holds the row's j-th completion token."""
    lengths = batch.lengths - batch.prompt_lengths
    columns = torch.arange(int(lengths.max()), device=lengths.device)
    return columns[None, :] < lengths[:, None]


def predicting_positions(batch: Batch) -> torch.Tensor:
    """Return (B, C) int64: the position whose output predicts completion token j.

    Beyond a row's completion the last position is repeated; is_completion is False there.
    """
    columns = torch.arange(is_completion(batch).shape[1], device=batch.ids.device)
    positions = batch.prompt_lengths[:, None] - 1 + columns[None, :]
    return positions.clamp(max=batch.ids.shape[1] - 1)


def completion_ids(batch: Batch) -> torch.Tensor:
    """Return (B, C) int64: the completion tokens, whatever is padding left as it is."""
    positions = (predicting_positions(batch) + 1).clamp(max=batch.ids.shape[1] - 1)
    return batch.ids.gather(1, positions)


def micro_batches(lengths: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Return indices grouped by length, each group padded to at most max_tokens.

    Longest first, so that a batch too large for memory fails at once. A sequence longer
    than max_tokens gets a group of its own.
    """
    groups: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        fits = groups and lengths[groups[-1][0]] * (len(groups[-1]) + 1) <= max_tokens
        if fits:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups


def balanced(sizes: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Return indices in as few groups as hold at most max_tokens each, of about equal sums; for packed rows.

    Longest first, each into the emptiest group; one over max_tokens gets a group of its own.
    """
    count = max(1, -(-sum(sizes) // max_tokens))
    while True:
        groups: list[list[int]] = [[] for _ in range(count)]
        sums = [0] * count
        for index in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
            emptiest = sums.index(min(sums))
            groups[emptiest].append(index)
            sums[emptiest] += sizes[index]
        if all(total <= max_tokens or len(group) <= 1 for total, group in zip(sums, groups, strict=True)):
            return [group for group in groups if group]
        count += 1
