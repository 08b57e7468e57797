"""Pure: what training reads, derived from lines of the wire formats; the columns are TRL's.

TRL names a dataset's form by its columns: `prompt`, `chosen`, `rejected` (RewardTrainer, DPOTrainer),
`prompt`, `completion`, `label` (KTOTrainer), `prompt`, `completion` (SFTTrainer); each is chat messages.
"""

from collections.abc import Callable, Iterator
from typing import Any

from annotate.comparisons import comparisons as pairs

Row = dict[str, Any]

BEST_RATING = 7
MIDDLE_RATING = 4


def comparisons(ranking: Row) -> Iterator[Row]:
    """Yield each better and worse completion; a tie gives none. The margin is the difference of ranks."""
    said = [_said(completion["text"]) for completion in ranking["completions"]]
    for chosen, rejected, margin in pairs(ranking["ranks"]):
        row = {"prompt_id": ranking["id"], "prompt": ranking["prompt"]}
        row |= {"chosen": said[chosen], "rejected": said[rejected]}
        yield row | _by(ranking) | {"margin": margin, "split": ranking["split"]}


def unpaired(ranking: Row) -> Iterator[Row]:
    """Yield each completion with whether it is good; one that is neither good nor bad gives none.

    Good is rated 5 to 7, bad 1 to 3. Without ratings, good is better than more others than it is worse than.
    """
    for completion, sign in zip(ranking["completions"], _goodness(ranking), strict=True):
        if sign:
            yield _answered(ranking, completion["text"]) | _by(ranking) | {"label": sign > 0}


def rated(ranking: Row) -> Iterator[Row]:
    """Yield the completions rated 7 of 7, which FeedME is trained on beside demonstrations."""
    for completion, rating in zip(ranking["completions"], ranking.get("ratings", ()), strict=False):
        if rating == BEST_RATING:
            yield _answered(ranking, completion["text"]) | _by(ranking)


def sft(demonstration: Row) -> Iterator[Row]:
    yield _answered(demonstration, demonstration["completion"])


DERIVED: dict[str, tuple[str, Callable[[Row], Iterator[Row]]]] = {
    "comparisons": ("rankings", comparisons),
    "unpaired": ("rankings", unpaired),
    "rated": ("rankings", rated),
    "sft": ("demonstrations", sft),
}
"""What each is derived from, and how."""


def _said(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def _by(ranking: Row) -> Row:
    return {"labeler": ranking["labeler"]} if "labeler" in ranking else {}


def _answered(row: Row, text: str) -> Row:
    about = {"prompt_id": row["id"], "prompt": row["prompt"], "completion": _said(text)}
    return about | {"split": row["split"]}


def _goodness(ranking: Row) -> list[int]:
    if "ratings" in ranking:
        return [rating - MIDDLE_RATING for rating in ranking["ratings"]]
    ranks = ranking["ranks"]
    return [sum((other > rank) - (other < rank) for other in ranks) for rank in ranks]
