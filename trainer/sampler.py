"""A warm engine for people's prompts: text in, completions out as they finish, one policy at a time."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from trainer.engine import Engine, Refused, Request, Sampling, start_engine
from trainer.tokens import decode, encode_prompt, load_tokenizer

# What begins a dialogue that is told from the user's side: some chat templates want a user to speak first.
OPENING = "Hello! How can I help you?"
# Prompts of people are never cut: one that does not fit is refused, with its length.
UNCUT = 1 << 30


class Asked(NamedTuple):
    """A prompt's messages and one seed for each completion wanted."""

    prompt: Sequence[Mapping[str, str]]
    seeds: list[int]


class Answered(NamedTuple):
    """One completion: of which prompt (by position), and of which of its seeds."""

    prompt: int
    index: int
    text: str
    token_count: int
    finish_reason: str


class Sampler:
    """An engine that stays warm between calls and starts anew only for another policy."""

    def __init__(self, engine: str, dtype: str, max_tokens: int) -> None:
        self._name, self._dtype, self._max_tokens = engine, dtype, max_tokens
        self._engine: Engine | None = None
        self._tokenizer: PreTrainedTokenizerBase | None = None

    def use(self, policy_dir: Path) -> dict[str, str]:
        """Hold this policy from now on; return the engine's description.

        Another policy gets a new process: swaps are rare here, and fresh weights need no probe. Raises
        EngineDied or EngineError if it does not start.
        """
        if self._engine is None or self._engine.policy_dir != policy_dir:
            self.close()
            room = min(self._max_tokens, longest(policy_dir) or self._max_tokens)
            self._engine = start_engine(policy_dir, engine=self._name, dtype=self._dtype, max_model_len=room)
            self._tokenizer = load_tokenizer(policy_dir)
        return self._engine.description

    @property
    def policy_dir(self) -> Path | None:
        """The policy it holds now."""
        return self._engine.policy_dir if self._engine else None

    def sample(self, asked: Sequence[Asked], sampling: Sampling) -> Iterator[Answered | Refused]:
        """Yield each completion as it finishes; a prompt that cannot be sampled gives one Refused."""
        assert self._engine is not None, "use a policy before sampling"
        assert self._tokenizer is not None, "use a policy before sampling"
        requests: list[Request] = []
        numbers: list[int] = []
        for number, each in enumerate(asked):
            try:
                ids = encode_prompt(self._tokenizer, each.prompt, UNCUT)
            except TemplateError as error:
                yield Refused(number, "bad_prompt", f"the policy's chat template refuses it: {error}")
                continue
            requests.append(Request(ids, each.seeds))
            numbers.append(number)
        for item in self._engine.sample(requests, sampling):
            number = numbers[item.request]
            if isinstance(item, Refused):
                yield item._replace(request=number)
            else:
                text = decode(self._tokenizer, item.token_ids)
                yield Answered(number, item.index, text, len(item.token_ids), item.finish_reason)

    def close(self) -> None:
        """End the engine's process; the next use starts another."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None


def from_the_users_side(messages: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Return a conversation with its roles swapped, so that a policy's answer is the user's next message.

    A policy only ever writes what an assistant says, and a chat template lets it do nothing else. What the
    user opened with would now be the assistant's, so a short line stands before it.
    """
    other = {"user": "assistant", "assistant": "user"}
    system = [dict(each) for each in messages if each["role"] == "system"]
    talk = [{**each, "role": other[each["role"]]} for each in messages if each["role"] != "system"]
    opening = [] if talk and talk[0]["role"] == "user" else [{"role": "user", "content": OPENING}]
    return [*system, *opening, *talk]


def longest(policy_dir: Path) -> int | None:
    """Return how many tokens the policy was made for, where it has a config that says so."""
    path = policy_dir / "config.json"
    limit = json.loads(path.read_text()).get("max_position_embeddings") if path.exists() else None
    return limit if isinstance(limit, int) else None
