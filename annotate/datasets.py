"""The way out: a campaign's rows as the wire formats, streamed in constant memory.

Key order and row order are fixed, so equal rows give equal bytes. `id` names the prompt in every format:
the rankings of one prompt share it and differ by `labeler`, its demonstrations share it and differ by
`completion`. Not in the formats, hence not exported: notes, the places completions were shown in, who wrote
a demonstration, a prompt's kind and use case, and how a completion was sampled.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from django.db.models import Exists, OuterRef, Prefetch, QuerySet

from annotate.comparisons import comparisons as pairs
from annotate.models import Campaign, ClaimState, Demonstration, Prompt, RankedCompletion, Ranking

Row = dict[str, Any]
CHUNK = 500
Answer = TypeVar("Answer", Ranking, Demonstration)


def lines(kind: str, campaign: Campaign) -> Iterator[bytes]:
    """Yield the campaign's rows of one of KINDS as JSON Lines in UTF-8, each with its newline."""
    return map(line, rows(kind, campaign))


def rows(kind: str, campaign: Campaign, *, only_frozen: bool = False) -> Iterator[Row]:
    """Yield the campaign's rows of one of KINDS.

    Only submitted answers are read; with only_frozen only those a snapshot has read, which nobody can change.
    """
    return KINDS[kind](campaign, only_frozen)


def line(row: Row) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode() + b"\n"


def prompt_id(prompt: Prompt) -> str:
    """Return the id a prompt came with, else one of its own that no other installation gives."""
    return prompt.source_id or f"prompt-{prompt.pk}-{int(prompt.created_at.timestamp()):x}"


def rankings(campaign: Campaign, only_frozen: bool) -> Iterator[Row]:
    for ranking in _rankings(campaign, only_frozen):
        yield _ranking(ranking)


def comparisons(campaign: Campaign, only_frozen: bool) -> Iterator[Row]:
    """Yield what TRL's RewardTrainer and DPOTrainer read: a tie gives no row."""
    for ranking in _rankings(campaign, only_frozen):
        ranked = list(ranking.ranked_completions.all())
        for chosen, rejected, margin in pairs([_rank(one) for one in ranked]):
            row: Row = {"prompt_id": prompt_id(ranking.prompt), "prompt": _messages(ranking.prompt)}
            row["chosen"] = [{"role": "assistant", "content": ranked[chosen].completion.text}]
            row["rejected"] = [{"role": "assistant", "content": ranked[rejected].completion.text}]
            row |= {"labeler": ranking.labeler.username} if ranking.labeler else {}
            yield row | {"margin": margin}


def demonstrations(campaign: Campaign, only_frozen: bool) -> Iterator[Row]:
    """Yield each text of a prompt once: two labelers who wrote the same words give one row."""
    rows = submitted(Demonstration.objects.filter(prompt__campaign=campaign), only_frozen)
    same = submitted(Demonstration.objects.all(), only_frozen)
    earlier = same.filter(prompt=OuterRef("prompt"), text=OuterRef("text"), pk__lt=OuterRef("pk"))
    rows = rows.exclude(Exists(earlier))
    for demonstration in rows.select_related("prompt__author").iterator(CHUNK):
        about = _about(demonstration.prompt)
        yield about | {"completion": demonstration.text, "split": demonstration.prompt.split}


def prompts(campaign: Campaign, only_frozen: bool) -> Iterator[Row]:
    """Yield every prompt: its words never change, so only_frozen leaves none out."""
    rows = Prompt.objects.filter(campaign=campaign).order_by("pk").select_related("author")
    for prompt in rows.iterator(CHUNK):
        yield _about(prompt) | {"split": prompt.split}


KINDS: dict[str, Callable[[Campaign, bool], Iterator[Row]]] = {
    "rankings": rankings,
    "comparisons": comparisons,
    "demonstrations": demonstrations,
    "prompts": prompts,
}


def submitted(rows: QuerySet[Answer], only_frozen: bool) -> QuerySet[Answer]:
    """Return the submitted ones in a stable order; with only_frozen those that a snapshot has read."""
    rows = rows.filter(state=ClaimState.SUBMITTED).order_by("pk")
    return rows.filter(frozen_at__isnull=False) if only_frozen else rows


def _rankings(campaign: Campaign, only_frozen: bool) -> Iterator[Ranking]:
    ranked = RankedCompletion.objects.select_related("completion__policy").order_by("completion__place")
    written = submitted(Demonstration.objects.all(), only_frozen)
    rows = submitted(Ranking.objects.filter(prompt__campaign=campaign), only_frozen)
    return (
        rows.select_related("prompt__author", "labeler")
        .prefetch_related(
            Prefetch("ranked_completions", ranked),
            Prefetch("prompt__demonstrations", written),
        )
        .iterator(CHUNK)
    )


def _ranking(ranking: Ranking) -> Row:
    prompt, ranked = ranking.prompt, list(ranking.ranked_completions.all())
    row = _about(prompt)
    row["completions"] = [
        {"text": one.completion.text, "policy": one.completion.policy.name} for one in ranked
    ]
    row["ranks"] = [_rank(one) for one in ranked]
    if ranking.labeler:
        row["labeler"] = ranking.labeler.username
    if all(one.rating is not None for one in ranked):
        row["ratings"] = [one.rating for one in ranked]
    if any(one.flags for one in ranked):
        row["flags"] = [one.flags for one in ranked]
    if ranking.seconds is not None:
        row["seconds"] = ranking.seconds
    if demonstrations := prompt.demonstrations.all():
        row["demonstration"] = demonstrations[0].text
    return row | {"split": prompt.split}


def _rank(ranked: RankedCompletion) -> int:
    assert ranked.rank is not None, f"ranking {ranked.ranking_id} is submitted without every rank"
    return ranked.rank


def _about(prompt: Prompt) -> Row:
    """Return what the formats say of a prompt, its split aside, which stands last."""
    row: Row = {"id": prompt_id(prompt), "prompt": _messages(prompt)}
    author = prompt.author.username if prompt.author else ""
    about = {"source": prompt.source, "author": author}
    about |= {"category": prompt.category, "language": prompt.language}
    return row | {name: value for name, value in about.items() if value}


def _messages(prompt: Prompt) -> list[dict[str, str]]:
    return [{"role": message["role"], "content": message["content"]} for message in prompt.messages]
