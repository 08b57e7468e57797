"""Writing prompts: their messages checked, their split fixed, their sampling asked for."""

from collections.abc import Sequence
from typing import NamedTuple

from django.db import transaction
from django.utils.translation import gettext as _

from annotate.actions import intake
from annotate.actions.demonstrations import write_own_demonstration
from annotate.errors import Invalid
from annotate.intake import length_of
from annotate.jobs import ring_sampler
from annotate.models import Campaign, Kind, Prompt, Sampling, Source, Split, User

Messages = list[dict[str, str]]


class Pair(NamedTuple):
    """A query and the response it should get: one example of a few-shot prompt."""

    query: str
    response: str


class NewPrompt(NamedTuple):
    """One of several prompts that are written at once."""

    kind: Kind
    messages: Messages
    use_case: str = ""
    category: str = ""
    flags: Sequence[str] = ()


def write_prompt(
    campaign: Campaign,
    author: User,
    kind: Kind,
    messages: Messages,
    use_case: str = "",
    category: str = "",
    flags: Sequence[str] = (),
    sampling: Sampling = Sampling.QUEUED,
    *,
    answered: bool = False,
) -> Prompt:
    """Add a prompt and ask for its completions, unless sampling is NONE or the campaign's rules set it aside.

    Args:
        answered: its author's own answer comes with it, so no rule sets it aside.

    Raises:
        Invalid: it is empty, too long, or for a use case that is not named.
    """
    check_messages(campaign, messages)
    if kind == Kind.USE_CASE and not use_case.strip():
        raise Invalid(_("Use case: say which one this prompt is for."))
    with transaction.atomic():
        prompt = Prompt(
            campaign=campaign,
            author=author,
            kind=kind,
            messages=messages,
            use_case=use_case.strip(),
            category=category.strip(),
            flags=list(flags),
            source=Source.LABELER,
            sampling=sampling,
            split=split_of(author),
        )
        intake.take_in(campaign, [prompt], answered=answered)
        ring_sampler()
    return prompt


def write_prompts(campaign: Campaign, author: User, given: Sequence[NewPrompt]) -> list[Prompt]:
    """Add all of these prompts or none.

    Raises:
        Invalid: one is empty, too long, or for a use case that is not named; the message says which.
    """
    added = []
    with transaction.atomic():
        for number, one in enumerate(given, start=1):
            try:
                added.append(write_prompt(campaign, author, *one))
            except Invalid as error:
                words = _("Prompt %(number)d: %(problem)s")
                raise Invalid(words % {"number": number, "problem": error}) from error
    return added


def write_few_shot(
    campaign: Campaign,
    author: User,
    instruction: str,
    pairs: Sequence[Pair],
    category: str = "",
    flags: Sequence[str] = (),
) -> list[Prompt]:
    """Add one prompt for each pair, the others in its context (paper, section 3.2).

    The pair's own response is what its author would answer, so it is the prompt's demonstration.

    Raises:
        Invalid: the instruction is missing, there are fewer than two pairs, or one lacks a half.
    """
    check_pairs(instruction, pairs)
    with transaction.atomic():
        prompts = []
        for pair, messages in zip(pairs, few_shot_prompts(instruction, pairs), strict=True):
            prompt = write_prompt(
                campaign, author, Kind.FEW_SHOT, messages, "", category, flags, answered=True
            )
            write_own_demonstration(prompt, author, pair.response)
            prompts.append(prompt)
    return prompts


def few_shot_prompts(instruction: str, pairs: Sequence[Pair]) -> list[Messages]:
    """Return what each pair asks, the other pairs being its examples."""
    return [
        few_shot_messages(instruction, [*pairs[:index], *pairs[index + 1 :]], pair.query)
        for index, pair in enumerate(pairs)
    ]


def few_shot_messages(instruction: str, examples: Sequence[Pair], query: str) -> Messages:
    """Return a conversation: the instruction with the first query, responses between, the query last."""
    turns: Messages = []
    for example in examples:
        turns.append({"role": "user", "content": example.query.strip()})
        turns.append({"role": "assistant", "content": example.response.strip()})
    turns.append({"role": "user", "content": query.strip()})
    turns[0]["content"] = f"{instruction.strip()}\n\n{turns[0]['content']}"
    return turns


def check_messages(campaign: Campaign, messages: Messages) -> None:
    if not messages or not messages[-1]["content"].strip():
        raise Invalid(_("Prompt: write what the policy is asked."))
    length = length_of(messages)
    if length > campaign.longest_prompt:
        raise Invalid(
            _("Prompt: %(length)d characters are too many; at most %(limit)d fit.")
            % {"length": length, "limit": campaign.longest_prompt}
        )


def check_pairs(instruction: str, pairs: Sequence[Pair]) -> None:
    if not instruction.strip():
        raise Invalid(_("Instruction: say what is to be done with each query."))
    for number, pair in enumerate(pairs, start=1):
        if not (pair.query.strip() and pair.response.strip()):
            raise Invalid(_("Pair %(number)d: write both the query and the response.") % {"number": number})
    if len(pairs) < 2:
        raise Invalid(_("Pairs: write at least two, so that one can be the example for the other."))


def split_of(author: User) -> Split:
    """Return the split that all of this person's prompts stand in, fixed when they write their first.

    The first authors' prompts train; those of the third and then of every fifth author are held out.
    """
    if not author.split:
        settled = User.objects.exclude(split="")
        held_out = settled.filter(split=Split.VALID).count()
        split = Split.VALID if held_out * 5 < settled.count() - 1 else Split.TRAIN
        # Only where nobody else has fixed it meanwhile.
        User.objects.filter(pk=author.pk, split="").update(split=split)
        author.refresh_from_db(fields=["split"])
    return Split(author.split)
