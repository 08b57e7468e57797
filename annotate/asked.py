"""What a campaign asks of its labelers: which yes/no questions, flags of prompts and categories."""

from typing import NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotate.flag_help import FLAG_HELP
from annotate.models import Campaign, Flag, PromptFlag

# InstructGPT, table 1: the categories of its customers' prompts, commonest first.
CATEGORIES = [
    ("generation", gettext_lazy("Generation")),
    ("open_qa", gettext_lazy("Open QA")),
    ("brainstorming", gettext_lazy("Brainstorming")),
    ("chat", gettext_lazy("Chat")),
    ("rewrite", gettext_lazy("Rewrite")),
    ("summarization", gettext_lazy("Summarization")),
    ("classification", gettext_lazy("Classification")),
    ("other", gettext_lazy("Other")),
    ("closed_qa", gettext_lazy("Closed QA")),
    ("extract", gettext_lazy("Extract")),
]


class Question(NamedTuple):
    """A yes/no question about an output: the flag it is kept as, its words, and what it means."""

    flag: str
    words: str
    help: str


def questions(campaign: Campaign) -> list[Question]:
    """Return the paper's questions that the campaign asks, then its own."""
    left_out = campaign.flags_left_out
    asked = [Question(flag, str(flag.label), str(FLAG_HELP[flag])) for flag in Flag if flag not in left_out]
    return asked + [Question(name, name, help) for name, help in campaign.listed_own_flags]


def prompt_flags(campaign: Campaign, chosen: list[str]) -> list[tuple[str, str]]:
    """Return the flags of prompts that the campaign asks for, and those chosen while it did."""
    left_out = set(campaign.prompt_flags_left_out) - set(chosen)
    return [(flag.value, str(flag.label)) for flag in PromptFlag if flag not in left_out]


def categories(campaign: Campaign) -> list[tuple[str, str]]:
    """Return the names and words of the categories that authors choose from, the paper's unless named."""
    known = {name: str(words) for name, words in CATEGORIES}
    return [(name, known.get(name, name)) for name in campaign.listed_categories or known]


def words_of(flag: str) -> str:
    """Return a yes/no question as people read it, whoever made it."""
    return str(Flag(flag).label) if flag in Flag.values else flag


def wrong(campaign: Campaign) -> str | None:
    """Return what is wrong with what a campaign leaves out or adds, None if nothing is."""
    if unknown := set(campaign.flags_left_out) - set(Flag.values):
        return _("flags_left_out: there is no flag “%(flag)s”.") % {"flag": min(unknown)[:40]}
    if unknown := set(campaign.prompt_flags_left_out) - set(PromptFlag.values):
        return _("prompt_flags_left_out: there is no flag “%(flag)s”.") % {"flag": min(unknown)[:40]}
    if taken := {name for name, _help in campaign.listed_own_flags} & set(Flag.values):
        return _("own_flags: “%(flag)s” is one of the paper’s.") % {"flag": min(taken)}
    return None
