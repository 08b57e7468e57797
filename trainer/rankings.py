"""Rankings as batch elements: a prompt, its completions, and all comparisons between them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from transformers import PreTrainedTokenizerBase

from trainer.data import Ranking, prompt_key
from trainer.tokens import encode_completion, encode_prompt


@dataclass(frozen=True)
class JudgedPrompt:
    """One batch element: a prompt, its completions, and all comparisons between them.

    completions end with EOS; comparisons are (chosen, rejected) places among them; ties, where they are
    kept, are pairs of places.
    """

    prompt: list[int]
    completions: list[list[int]]
    comparisons: list[tuple[int, int]]
    ties: list[tuple[int, int]] = field(default_factory=list)

    @property
    def padded_tokens(self) -> int:
        """Tokens of the plain way, where each completion has the prompt before it."""
        longest = max(len(completion) for completion in self.completions)
        return len(self.completions) * (len(self.prompt) + longest)

    @property
    def shared_tokens(self) -> int:
        """Tokens where the prompt is encoded once and nothing is padded."""
        return len(self.prompt) + sum(len(completion) for completion in self.completions)


def judged_prompts(
    rows: Sequence[Ranking],
    tokenizer: PreTrainedTokenizerBase,
    max_prompt_tokens: int,
    max_completion_tokens: int,
    *,
    keep_ties: bool = False,
) -> list[JudgedPrompt]:
    """Return one element a prompt, whoever ranked it, that has a comparison, or a tie where ties are kept.

    Completions that are equal, perhaps after being cut, are one completion, encoded once.
    """
    by_prompt: dict[str, list[Ranking]] = {}
    for row in rows:
        by_prompt.setdefault(prompt_key(row), []).append(row)
    limits = (max_prompt_tokens, max_completion_tokens)
    judged = [_judged(same, tokenizer, *limits, keep_ties=keep_ties) for same in by_prompt.values()]
    return [element for element in judged if element.comparisons or element.ties]


def _judged(
    same: Sequence[Ranking],
    tokenizer: PreTrainedTokenizerBase,
    max_prompt_tokens: int,
    max_completion_tokens: int,
    *,
    keep_ties: bool,
) -> JudgedPrompt:
    prompt = encode_prompt(tokenizer, same[0].prompt, max_prompt_tokens)
    seen: dict[tuple[int, ...], int] = {}
    comparisons: list[tuple[int, int]] = []
    ties: list[tuple[int, int]] = []
    for row in same:
        encoded = [encode_completion(tokenizer, t, max_completion_tokens) for t in row.completions]
        places = [seen.setdefault(tuple(ids), len(seen)) for ids in encoded]
        comparisons += comparisons_of(row.ranks, places)
        ties += ties_of(row.ranks, places) if keep_ties else []
    return JudgedPrompt(prompt, [list(ids) for ids in seen], comparisons, ties)


def comparisons_of(ranks: Sequence[int], places: Sequence[int]) -> list[tuple[int, int]]:
    """Return (chosen, rejected) places of one ranking; a tie gives none."""
    return [
        (places[i], places[j])
        for i, better in enumerate(ranks)
        for j, worse in enumerate(ranks)
        if better < worse and places[i] != places[j]
    ]


def ties_of(ranks: Sequence[int], places: Sequence[int]) -> list[tuple[int, int]]:
    """Return the pairs of places that one ranking holds equal."""
    return [
        (places[i], places[j])
        for i in range(len(ranks))
        for j in range(i)
        if ranks[i] == ranks[j] and places[i] != places[j]
    ]
