"""Ids are joined, never tokenised across the seam, and masks come from lengths."""

import pytest
import torch

from tests.trainer.conftest import make_tokenizer
from trainer.tokens import (
    balanced,
    collate,
    completion_ids,
    encode_completion,
    encode_prompt,
    is_completion,
    load_tokenizer,
    micro_batches,
    predicting_positions,
)


def ask(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


@pytest.fixture
def tokenizer(tiny_policy):
    return load_tokenizer(tiny_policy)


@pytest.mark.checklist(2)
def test_a_completion_ends_with_eos_even_when_cut(tokenizer) -> None:
    assert encode_completion(tokenizer, "hello", 100)[-1] == tokenizer.eos_token_id
    cut = encode_completion(tokenizer, "hello", 4)
    assert len(cut) == 4 and cut[-1] == tokenizer.eos_token_id


@pytest.mark.checklist(1)
def test_padding_is_never_eos(tmp_path) -> None:
    tokenizer = make_tokenizer()
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.save_pretrained(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert loaded.pad_token_id != loaded.eos_token_id
    assert len(loaded) == len(tokenizer), "no new token, so no larger embedding"


@pytest.mark.checklist(2)
def test_joined_ids_begin_with_the_prompts_own(tokenizer) -> None:
    prompt = encode_prompt(tokenizer, ask("hi"), 100)
    completion = encode_completion(tokenizer, " there", 100)
    batch = collate([(prompt, completion)], 0)
    assert batch.ids[0].tolist() == prompt + completion


@pytest.mark.checklist(3)
def test_a_long_prompt_loses_its_middle_first(tokenizer) -> None:
    ids = encode_prompt(tokenizer, ask("START " + "x" * 300 + " QUESTION?"), 80)
    text = tokenizer.decode(ids)
    assert len(ids) <= 80
    assert "START" in text and "QUESTION?" in text and "…" in text
    assert text.endswith("Assistant: ")


def test_a_long_conversation_loses_its_earliest_turn_and_keeps_its_system_message(
    tokenizer,
) -> None:
    talk = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "old " * 30},
        {"role": "assistant", "content": "older " * 10},
        {"role": "user", "content": "the new question"},
    ]
    text = tokenizer.decode(encode_prompt(tokenizer, talk, 90))
    assert "Be kind." in text and "the new question" in text and "old" not in text


@pytest.mark.checklist(34)
def test_masks_and_positions_say_where_completions_are() -> None:
    batch = collate([([5, 6], [7, 1]), ([5], [8, 9, 1])], pad_id=0)
    assert batch.ids.tolist() == [[5, 6, 7, 1], [5, 8, 9, 1]]
    assert is_completion(batch).tolist() == [[True, True, False], [True, True, True]]
    assert predicting_positions(batch).tolist() == [[1, 2, 3], [0, 1, 2]]
    valid = is_completion(batch)
    assert completion_ids(batch)[valid].tolist() == [7, 1, 8, 9, 1]


@pytest.mark.checklist(4)
def test_a_padding_id_inside_a_completion_is_a_token_like_any_other() -> None:
    batch = collate([([5], [0, 1]), ([5], [0, 0, 1])], pad_id=0)
    assert is_completion(batch).sum(1).tolist() == [2, 3]


def test_micro_batches_hold_every_row_once_within_the_limit() -> None:
    lengths = [3, 9, 4, 4, 20, 1]
    groups = micro_batches(lengths, 12)
    assert sorted(sum(groups, [])) == list(range(6))
    assert all(len(g) == 1 or max(lengths[i] for i in g) * len(g) <= 12 for g in groups)
    assert torch.tensor(groups[0]).tolist() == [4], "the longest comes first"


def test_balanced_groups_hold_everything_once_within_their_room() -> None:
    sizes = [500, 20, 300, 310, 190, 280, 9, 400]
    groups = balanced(sizes, 700)
    sums = [sum(sizes[i] for i in group) for group in groups]
    assert sorted(sum(groups, [])) == list(range(8))
    assert len(groups) == 3 and max(sums) - min(sums) < 60
    assert balanced([900, 10], 100) == [[0], [1]]
