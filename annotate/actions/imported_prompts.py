"""The prompts of a file's rows with their completions: found, compared with what the file says, added."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from django.utils.translation import gettext as _

from annotate import sql
from annotate.actions import intake
from annotate.actions.bulk import copy_in, next_keys
from annotate.actions.imported_names import Names
from annotate.errors import Invalid, Refused
from annotate.intake import split_of_text
from annotate.models import Campaign, Completion, IntakeDecision, Prompt, Sampling
from annotate.personal_data import mask_messages
from annotate.wire import Message, Row

ABOUT = ("author_id", "source", "category", "language", "split")
COLUMNS = ("id", "campaign_id", "source_id", "sampling", "prefix_hash", *ABOUT)


@dataclass(slots=True)
class KnownCompletion:
    text: str
    policy: str
    pk: int = 0


@dataclass(slots=True)
class KnownRanking:
    """A ranking that was here before this batch."""

    pk: int
    state: str
    is_from_this_file: bool


@dataclass(slots=True)
class KnownPrompt:
    """A prompt with what hangs on it; one that is new has no time yet, and gets its key when it is added."""

    messages: Any
    about: dict[str, Any]
    sampling: str
    pk: int = 0
    created_at: datetime | None = None
    completions: list[KnownCompletion] = field(default_factory=list)
    # By labeler; None is one that this batch adds.
    rankings: dict[int | None, KnownRanking | None] = field(default_factory=dict)
    next_ranking_slot: int = 0
    # By text; None is one that this batch adds.
    demonstrations: dict[str, datetime | None] = field(default_factory=dict)
    next_demonstration_slot: int = 0


# Indexes that begin with the campaign must not be taken: the planner believes that a new one is empty, and
# would read all that the import has added so far for each batch. The sum hides it.
_FIND = """
SELECT id, source_id, messages::text, sampling, created_at, author_id, source, category, language, split
FROM annotate_prompt WHERE source_id = ANY(%s::text[]) AND source_id <> '' AND campaign_id + 0 = %s
"""
# JSON made by PostgreSQL and read by orjson takes a third of the time that rows of single values take.
_FIND_COMPLETIONS = """
SELECT wanted.id, (SELECT json_agg(json_build_array(text, policy.name, one.id) ORDER BY place)::text
    FROM annotate_completion AS one JOIN annotate_checkpoint AS policy ON policy.id = one.policy_id
    WHERE prompt_id = wanted.id)
FROM unnest(%s::bigint[]) AS wanted (id)
"""


def find_prompts(campaign: Campaign, rows: Sequence[Row]) -> dict[str, KnownPrompt]:
    """Return the rows' prompts that are here, by their ids in files."""
    (here,) = sql.run(_FIND, [list({row.id for row in rows}), campaign.pk])
    return {
        source_id: KnownPrompt(
            pk=pk,
            messages=orjson.loads(messages),
            about=dict(zip(ABOUT, about, strict=True)),
            sampling=sampling,
            created_at=created_at,
        )
        for pk, source_id, messages, sampling, created_at, *about in here.rows
    }


def lock_slots(prompts: dict[int, KnownPrompt], began_at: datetime) -> None:
    """Keep the desk from handing out slots of prompts that are older than the import until it ends."""
    older = [pk for pk, prompt in prompts.items() if not is_from(began_at, prompt.created_at)]
    if older:
        sql.run("SELECT FROM annotate_prompt WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE", [older])


def find_completions(prompts: dict[int, KnownPrompt]) -> None:
    """Fill in the completions of prompts that are here."""
    (found,) = sql.run(_FIND_COMPLETIONS, [list(prompts)])
    for prompt, completions in found.rows:
        prompts[prompt].completions = [KnownCompletion(*each) for each in orjson.loads(completions or "[]")]


def new_prompt(row: Row, names: Names, sampling: str) -> KnownPrompt:
    author = names.users.get(row.author)
    about = {
        "author_id": author and author.pk,
        "source": row.source,
        "category": row.category,
        "language": row.language,
        "split": row.split or (author.split if author else split_of_text(_key(row))),
    }
    return KnownPrompt(row.prompt, about, sampling)


def _key(row: Row) -> str:
    return json.dumps(row.prompt, sort_keys=True, ensure_ascii=False)


def check_prompt(row: Row, prompt: KnownPrompt, names: Names) -> None:
    """Raise Invalid when the row says something else of a prompt than what is here."""
    author = names.users.get(row.author)
    said = {
        "prompt": (_as_stored(row, prompt), prompt.messages),
        "split": (row.split, prompt.about["split"]),
        "author": (author and author.pk, prompt.about["author_id"]),
        "source": (row.source, prompt.about["source"]),
        "category": (row.category, prompt.about["category"]),
        "language": (row.language, prompt.about["language"]),
    }
    for name, (in_file, here) in said.items():
        if in_file and in_file != here:
            problem = _("id %(id)s is here already with another %(name)s; give this one an id of its own.")
            raise Invalid(problem % {"id": row.id, "name": name})


def _as_stored(row: Row, prompt: KnownPrompt) -> list[Message]:
    """Return a row's prompt as intake left it: masked, where it is not here as the file has it."""
    return row.prompt if row.prompt == prompt.messages else mask_messages(row.prompt)[0]


def check_completions(row: Row, prompt: KnownPrompt) -> None:
    """Raise Invalid when a prompt is here already with other completions."""
    if prompt.completions and row.completions != [(one.text, one.policy) for one in prompt.completions]:
        problem = _("id %(id)s is here already with other completions; give this one an id of its own.")
        raise Invalid(problem % {"id": row.id})


def is_from(began_at: datetime, created_at: datetime | None) -> bool:
    """True for what this file made: it is not saved yet, or was since the file began to be read."""
    return created_at is None or created_at >= began_at


def add_prompts(campaign: Campaign, prompts: dict[str, KnownPrompt], *, answered: bool) -> int:
    """Add those that are not here yet by the campaign's rules, and give them their keys; return how many.

    Args:
        answered: each comes with an answer, so none is set aside, and those that were are let in.
    """
    new = [(source_id, prompt) for source_id, prompt in prompts.items() if not prompt.pk]
    rows = []
    for key, (source_id, prompt) in zip(next_keys(Prompt, len(new)), new, strict=True):
        prompt.pk = key
        about = {"messages": prompt.messages, "sampling": prompt.sampling, **prompt.about}
        rows.append(Prompt(pk=key, campaign=campaign, source_id=source_id, **about))
    decisions = intake.decide(campaign, rows, answered=answered)
    copy_in(Prompt, (*COLUMNS, "messages"), (_values(row) for row in rows))
    IntakeDecision.objects.bulk_create(decisions)
    if answered:
        intake.let_in(Prompt(pk=one.pk) for one in prompts.values() if one.sampling == Sampling.SET_ASIDE)
    return len(new)


def _values(prompt: Prompt) -> tuple[Any, ...]:
    return (
        *(getattr(prompt, name) for name in COLUMNS),
        json.dumps(prompt.messages, ensure_ascii=False),
    )


def add_completions(prompts: Sequence[KnownPrompt], names: Names) -> int:
    """Add the completions that have no key yet, and give them theirs; return how many."""
    new = [
        (prompt, place, completion)
        for prompt in prompts
        for place, completion in enumerate(prompt.completions)
        if not completion.pk
    ]
    for key, (_prompt, _place, completion) in zip(next_keys(Completion, len(new)), new, strict=True):
        completion.pk = key
    rows = (
        (completion.pk, prompt.pk, place, names.policies[completion.policy].pk, completion.text)
        for prompt, place, completion in new
    )
    copy_in(Completion, ("id", "prompt_id", "place", "policy_id", "text"), rows)
    return len(new)


def end_sampling(prompts: set[int]) -> None:
    """These prompts get their completions from the file: none are to be sampled, and they can be ranked."""
    waiting = Prompt.objects.filter(
        pk__in=prompts, sampling__in=[Sampling.QUEUED, Sampling.FAILED, Sampling.NONE]
    )
    if waiting.update(sampling=Sampling.SAMPLED, sampling_reason="") < len(prompts):
        raise Refused(_("A prompt of the file is being sampled now; import it again when it is done."))
