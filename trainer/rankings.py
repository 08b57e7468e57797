"""Rankings as batch elements: a prompt, its completions, and all comparisons between them."""

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from trainer.data import Ranking, prompt_key
from trainer.tokens import encode_completion, encode_prompt


@dataclass(frozen=True)
class JudgedPrompt:
    """One batch element: a prompt, its completions, and all comparisons between them.

    completions end with EOS; comparisons are (chosen, rejected) places among them.
    """

    prompt: list[int]
    completions: list[list[int]]
    comparisons: list[tuple[int, int]]

    @property
    def padded_tokens(self) -> int:
        """Tokens of the plain way, where each completion has the prompt before it."""
        longest = max(len(completion) for completion in self.completions)
        return len(self.completions) * (len(self.prompt) + longest)

    @property
    def shared_tokens(self) -> int:
        """Tokens where the prompt is encoded once."""
        longest = max(len(completion) for completion in self.completions)
        return len(self.prompt) + len(self.completions) * longest


def judged_prompts(
    rows: Sequence[Ranking],
    tokenizer: PreTrainedTokenizerBase,
    max_prompt_tokens: int,
    max_completion_tokens: int,
) -> list[JudgedPrompt]:
    """Return one element a prompt, whoever ranked it, that has a comparison.

    Completions that are equal, perhaps after being cut, are one completion, encoded once.
    """
    by_prompt: dict[str, list[Ranking]] = {}
    for row in rows:
        by_prompt.setdefault(prompt_key(row), []).append(row)
    limits = (max_prompt_tokens, max_completion_tokens)
    judged = [_judged(same, tokenizer, *limits) for same in by_prompt.values()]
    return [element for element in judged if element.comparisons]


def _judged(
    same: Sequence[Ranking],
    tokenizer: PreTrainedTokenizerBase,
    max_prompt_tokens: int,
    max_completion_tokens: int,
) -> JudgedPrompt:
    prompt = encode_prompt(tokenizer, same[0].prompt, max_prompt_tokens)
    seen: dict[tuple[int, ...], int] = {}
    comparisons: list[tuple[int, int]] = []
    for row in same:
        encoded = [encode_completion(tokenizer, t, max_completion_tokens) for t in row.completions]
        places = [seen.setdefault(tuple(ids), len(seen)) for ids in encoded]
        comparisons += comparisons_of(row.ranks, places)
    return JudgedPrompt(prompt, [list(ids) for ids in seen], comparisons)


def comparisons_of(ranks: Sequence[int], places: Sequence[int]) -> list[tuple[int, int]]:
    """Return (chosen, rejected) places of one ranking; a tie gives none."""
    return [
        (places[i], places[j])
        for i, better in enumerate(ranks)
        for j, worse in enumerate(ranks)
        if better < worse and places[i] != places[j]
    ]


def ties(row: Ranking) -> int:
    """Return how many of a ranking's pairs are ties, which teach nothing."""
    pairs = len(row.ranks) * (len(row.ranks) - 1) // 2
    return pairs - len(comparisons_of(row.ranks, range(len(row.ranks))))
