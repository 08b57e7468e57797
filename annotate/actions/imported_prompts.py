"""The prompts of a file's rows and the completions they came with: found, or added."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.utils.translation import gettext as _

from annotate.actions import intake
from annotate.actions.imported_names import Names
from annotate.errors import Refused
from annotate.intake import split_of_text
from annotate.models import Campaign, Completion, Prompt, Sampling
from annotate.personal_data import mask_messages
from annotate.wire import Message, Row, refuse_line


@dataclass
class Known:
    """The prompts of one batch by their ids in the file, and their completions by the prompts' keys."""

    prompts: dict[str, Prompt] = field(default_factory=dict)
    completions: dict[int, list[Completion]] = field(default_factory=dict)
    added: int = 0


def add_prompts(
    campaign: Campaign, rows: Sequence[Row], names: Names, sampling: Sampling, began_at: datetime | None
) -> Known:
    """Return the rows' prompts; those that are new are added in the file's order.

    Raises Invalid when an id is here already with another prompt or, unless began_at is None, when it came
    from an earlier line of the file that began to be read then.
    """
    here = Prompt.objects.filter(campaign=campaign, source_id__in={row.id for row in rows})
    # The unique index covers named prompts only; saying so lets the database use it.
    prompts = {prompt.source_id: prompt for prompt in here.exclude(source_id="")}
    new = []
    for row in rows:
        if row.id in prompts:
            _refuse_another(row, prompts[row.id], names)
            if began_at is not None and _is_from(began_at, prompts[row.id].created_at):
                refuse_line(row.line, _("id %(id)s stands on an earlier line already.") % {"id": row.id})
        else:
            prompts[row.id] = _prompt(campaign, row, names, sampling)
            new.append(prompts[row.id])
    is_answered = any(row.completions or row.demonstration for row in rows)
    intake.take_in(campaign, new, answered=is_answered)
    if is_answered:
        intake.let_in(prompt for prompt in prompts.values() if prompt.sampling == Sampling.SET_ASIDE)
    return Known(prompts, added=len(new))


def _prompt(campaign: Campaign, row: Row, names: Names, sampling: Sampling) -> Prompt:
    author = names.users.get(row.author)
    return Prompt(
        campaign=campaign,
        source_id=row.id,
        messages=row.prompt,
        author=author,
        source=row.source,
        category=row.category,
        language=row.language,
        split=row.split or (author.split if author else split_of_text(_key(row))),
        sampling=sampling,
    )


def _is_from(began_at: datetime, created_at: datetime | None) -> bool:
    """True for what this file made: it is not saved yet, or was since the file began to be read."""
    return created_at is None or created_at >= began_at


def _key(row: Row) -> str:
    return json.dumps(row.prompt, sort_keys=True, ensure_ascii=False)


def _refuse_another(row: Row, prompt: Prompt, names: Names) -> None:
    author = names.users.get(row.author)
    said = {
        "prompt": (_as_stored(row, prompt), prompt.messages),
        "split": (row.split, prompt.split),
        "author": (author and author.pk, prompt.author_id),
        "source": (row.source, prompt.source),
        "category": (row.category, prompt.category),
        "language": (row.language, prompt.language),
    }
    for name, (in_file, here) in said.items():
        if in_file and in_file != here:
            problem = _("id %(id)s is here already with another %(name)s; give this one an id of its own.")
            refuse_line(row.line, problem % {"id": row.id, "name": name})


def _as_stored(row: Row, prompt: Prompt) -> list[Message]:
    """Return a row's prompt as intake left it: masked, where it is not here as the file has it."""
    return row.prompt if row.prompt == prompt.messages else mask_messages(row.prompt)[0]


def add_completions(rows: Sequence[Row], known: Known, names: Names) -> int:
    """Fill known.completions in the rows' order, adding what is new; return how many were added.

    Raises Invalid when a prompt is here already with other completions.
    """
    here = Completion.objects.filter(prompt__in=known.prompts.values()).select_related("policy")
    for completion in here.order_by("place"):
        known.completions.setdefault(completion.prompt_id, []).append(completion)
    new: list[Completion] = []
    for row in rows:
        prompt = known.prompts[row.id]
        if prompt.pk not in known.completions:
            known.completions[prompt.pk] = _completions(prompt, row, names)
            new += known.completions[prompt.pk]
        elif row.completions != [(one.text, one.policy.name) for one in known.completions[prompt.pk]]:
            problem = _("id %(id)s is here already with other completions; give this one an id of its own.")
            refuse_line(row.line, problem % {"id": row.id})
    _end_sampling({completion.prompt_id for completion in new})
    Completion.objects.bulk_create(new)
    return len(new)


def _completions(prompt: Prompt, row: Row, names: Names) -> list[Completion]:
    return [
        Completion(prompt=prompt, policy=names.policies[policy], place=place, text=text)
        for place, (text, policy) in enumerate(row.completions)
    ]


def _end_sampling(prompts: set[int]) -> None:
    """These prompts get their completions from the file: none are to be sampled, and they can be ranked."""
    waiting = Prompt.objects.filter(
        pk__in=prompts, sampling__in=[Sampling.QUEUED, Sampling.FAILED, Sampling.NONE]
    )
    if waiting.update(sampling=Sampling.SAMPLED, sampling_reason="") < len(prompts):
        raise Refused(_("A prompt of the file is being sampled now; import it again when it is done."))
