"""Files in the wire formats, read strictly: a bad line stops a stage before it starts."""

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

SPLITS = ("train", "valid", "test")
_ABOUT_PROMPT = {"split", "source", "author", "category", "language"}
_ABOUT_RANKING = _ABOUT_PROMPT | {"labeler", "ratings", "flags", "demonstration", "seconds"}


class BadInput(Exception):
    """What a stage was given cannot be used; the message says where and what to do."""


@dataclass(frozen=True)
class Prompt:
    """What the policy is asked: chat messages, the last one the user's."""

    id: str
    prompt: tuple[dict[str, str], ...]
    split: str | None


@dataclass(frozen=True)
class Demonstration:
    """A prompt with the completion a labeler wrote."""

    id: str
    prompt: tuple[dict[str, str], ...]
    split: str | None
    completion: str


@dataclass(frozen=True)
class Ranking:
    """One labeler's order of one prompt's completions; rank 1 is best, equal is a tie."""

    id: str
    prompt: tuple[dict[str, str], ...]
    split: str | None
    completions: tuple[str, ...]
    ranks: tuple[int, ...]
    demonstration: str | None
    labeler: str | None = None


class Asked(Protocol):
    """Anything with a prompt and perhaps a split."""

    @property
    def prompt(self) -> tuple[dict[str, str], ...]: ...
    @property
    def split(self) -> str | None: ...


Row = TypeVar("Row", bound=Asked)
Parsed = TypeVar("Parsed")
Record = dict[str, object]


def read_prompts(path: Path) -> list[Prompt]:
    """Return the prompts of a file. Raises BadInput naming the line."""
    return _read(path, _parse_prompt)


def read_demonstrations(path: Path) -> list[Demonstration]:
    """Return the demonstrations of a file. Raises BadInput naming the line."""
    return _read(path, _parse_demonstration)


def read_rankings(path: Path) -> list[Ranking]:
    """Return the rankings of a file. Raises BadInput naming the line."""
    return _read(path, _parse_ranking)


def read_texts(path: Path) -> list[str]:
    """Return pretraining texts: "text" of each .jsonl line, else paragraphs of a text file."""
    if path.suffix == ".jsonl":
        return _read(path, _parse_text)
    texts = [text.strip() for text in _text_of(path).split("\n\n") if text.strip()]
    if not texts:
        raise BadInput(f"{path}: no text in it")
    return texts


def held_out(rows: Sequence[Row], fraction: float) -> tuple[list[Row], list[Row], str]:
    """Return (train, valid, how): whole prompts are held out, by "split" or by "hash".

    A file whose rows name a valid split is taken at its word. Otherwise a share of the
    prompts that may be trained on is held out by a hash of the prompt, the same one in
    every run. Test rows, and valid ones, are never trained on.
    """
    valid = [row for row in rows if row.split == "valid"]
    if valid and all(row.split for row in rows):
        return [row for row in rows if row.split == "train"], valid, "split"
    open_rows = [row for row in rows if row.split in (None, "train")]
    valid += [row for row in open_rows if _hash_share(row) < fraction]
    return [row for row in open_rows if _hash_share(row) >= fraction], valid, "hash"


def prompt_key(row: Asked) -> str:
    """Return what is equal for rows that ask the same."""
    return json.dumps(row.prompt, sort_keys=True, ensure_ascii=False)


def shuffled(count: int, seed: int, epoch: int) -> list[int]:
    """Return the order of one pass over count rows; (seed, epoch) fixes it."""
    order = list(range(count))
    random.Random(f"{seed}/{epoch}").shuffle(order)
    return order


def batches(count: int, size: int, epochs: int, seed: int) -> list[list[int]]:
    """Return every step's rows over all epochs: a step's number is the cursor.

    The last batch of an epoch may be smaller; no batch mixes two epochs.
    """
    orders = [shuffled(count, seed, epoch) for epoch in range(epochs)]
    return [order[at : at + size] for order in orders for at in range(0, count, size)]


def cycled(count: int, size: int, step: int, seed: int) -> list[int]:
    """Return the rows of step 1.. of an endless pass over count rows, shuffled anew each time."""
    places = range((step - 1) * size, step * size)
    orders = {epoch: shuffled(count, seed, epoch) for epoch in {place // count for place in places}}
    return [orders[place // count][place % count] for place in places]


def _hash_share(row: Asked) -> float:
    digest = hashlib.sha256(prompt_key(row).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: byte {error.start} is not UTF-8") from error


def _read(path: Path, parse: Callable[[Record], Parsed]) -> list[Parsed]:
    rows = []
    for number, line in _numbered_lines(path):
        try:
            record = json.loads(line)
            _expect(isinstance(record, dict), "is not a JSON object")
            rows.append(parse(record))
        except (BadInput, json.JSONDecodeError) as error:
            raise BadInput(f"{path} line {number}: {error}") from error
    if not rows:
        raise BadInput(f"{path}: no lines in it")
    return rows


def _numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    # Only \n ends a line: splitlines would also cut at U+2028 inside a JSON string.
    for number, line in enumerate(_text_of(path).split("\n"), start=1):
        if line.strip():
            yield number, line


def _expect(holds: bool, message: str) -> None:
    if not holds:
        raise BadInput(message)


def _keys(record: Record, needed: set[str], allowed: set[str]) -> None:
    missing = sorted(needed - record.keys())
    _expect(not missing, f"missing {', '.join(missing)}")
    unknown = sorted(record.keys() - needed - allowed)
    _expect(not unknown, f"unknown key {', '.join(unknown)}")


def _string(record: Record, key: str) -> str:
    value = record[key]
    if not isinstance(value, str) or not value:
        raise BadInput(f"{key} must be a text that is not empty")
    return value


def _split(record: Record) -> str | None:
    split = record.get("split")
    if split is None:
        return None
    if not isinstance(split, str) or split not in SPLITS:
        raise BadInput(f"split must be one of {', '.join(SPLITS)}")
    return split


def _messages(record: Record) -> tuple[dict[str, str], ...]:
    messages = record["prompt"]
    if not isinstance(messages, list) or not messages:
        raise BadInput("prompt must be a list of chat messages")
    return tuple(_message(message) for message in messages)


def _message(message: object) -> dict[str, str]:
    if not isinstance(message, dict) or message.keys() != {"role", "content"}:
        raise BadInput("prompt: each message has a role and a content, and nothing else")
    role, content = message["role"], message["content"]
    _expect(role in ("system", "user", "assistant"), f"prompt: unknown role {role!r}")
    _expect(isinstance(content, str), "prompt: content must be a text")
    return {"role": role, "content": content}


def _parse_prompt(record: Record) -> Prompt:
    _keys(record, {"id", "prompt"}, _ABOUT_PROMPT)
    return Prompt(_string(record, "id"), _messages(record), _split(record))


def _parse_demonstration(record: Record) -> Demonstration:
    _keys(record, {"id", "prompt", "completion"}, _ABOUT_PROMPT)
    completion = _string(record, "completion")
    return Demonstration(_string(record, "id"), _messages(record), _split(record), completion)


def _parse_ranking(record: Record) -> Ranking:
    _keys(record, {"id", "prompt", "completions", "ranks"}, _ABOUT_RANKING)
    demonstration = record.get("demonstration")
    _expect(demonstration is None or isinstance(demonstration, str), "demonstration must be a text")
    completions, ranks = _completions(record), _ranks(record)
    _expect(
        len(completions) == len(ranks),
        f"{len(completions)} completions but {len(ranks)} ranks",
    )
    return Ranking(
        id=_string(record, "id"),
        prompt=_messages(record),
        split=_split(record),
        completions=completions,
        ranks=ranks,
        demonstration=str(demonstration) if demonstration else None,
        labeler=str(record["labeler"]) if record.get("labeler") is not None else None,
    )


def _completions(record: Record) -> tuple[str, ...]:
    completions = record["completions"]
    if not isinstance(completions, list) or len(completions) < 2:
        raise BadInput("completions must be a list of at least two")
    return tuple(_completion_text(completion) for completion in completions)


def _completion_text(completion: object) -> str:
    if not isinstance(completion, dict) or completion.keys() - {"policy"} != {"text"}:
        raise BadInput("completions: each has a text and a policy, and nothing else")
    text = completion["text"]
    if not isinstance(text, str):
        raise BadInput("completions: text must be a text")
    return text


def _ranks(record: Record) -> tuple[int, ...]:
    ranks = record["ranks"]
    if not isinstance(ranks, list) or any(type(rank) is not int or rank < 1 for rank in ranks):
        raise BadInput("ranks must be a list of integers from 1")
    return tuple(ranks)


def _parse_text(record: Record) -> str:
    _keys(record, {"text"}, set())
    return _string(record, "text")
