"""The page of a ranking that nobody has touched: but for its words it is as the last one, so it is filled in.

A page is rendered once for each frame, around a stand-in whose words are holes; rendering every page anew was
two thirds of an item's cost.
"""

import re
from typing import Any, NamedTuple

from django.template.loader import render_to_string
from django.utils.html import escape
from django.utils.translation import get_language

from annotate.models import LETTERS, Campaign, ClaimState, Instructions, Prompt, Ranking
from annotate.templatetags.podium import markdown

# Signs that Unicode leaves to everyone's own use, and no template has.
HOLE = "\ue000{}\ue001"
HOLES = re.compile("\ue000(.*?)\ue001")
PK = 8_070_605_040_302_010_907
"""The stand-in's id, which is a hole too; a URL takes digits only."""


class Frame(NamedTuple):
    """All that a page of an untouched ranking depends on, its words and ids aside."""

    language: str | None
    campaign: int
    campaign_name: str
    flags_left_out: tuple[str, ...]
    own_flags: str
    prompt_flags_left_out: tuple[str, ...]
    instructions: int | None
    roles: tuple[str, ...]
    k: int


def frame(campaign: Campaign, ranking: Ranking) -> Frame:
    roles = tuple(message["role"] for message in ranking.prompt.messages)
    asked = (tuple(campaign.flags_left_out), campaign.own_flags, tuple(campaign.prompt_flags_left_out))
    names = (campaign.pk, campaign.name, *asked, ranking.instructions_id)
    return Frame(get_language(), *names, roles, len(ranking.texts))


def stand_in(frame: Frame) -> Ranking:
    """Return a ranking, stored nowhere, whose words are holes."""
    turns = enumerate(frame.roles)
    messages = [{"role": role, "content": HOLE.format(f"turn-{turn}")} for turn, role in turns]
    campaign = Campaign(
        pk=frame.campaign,
        name=frame.campaign_name,
        flags_left_out=list(frame.flags_left_out),
        own_flags=frame.own_flags,
        prompt_flags_left_out=list(frame.prompt_flags_left_out),
    )
    instructions = frame.instructions and Instructions.objects.get(pk=frame.instructions)
    prompt = Prompt(pk=PK, campaign=campaign, messages=messages)
    return Ranking(pk=PK, prompt=prompt, instructions=instructions or None, state=ClaimState.CLAIMED)


def hole(letter: str) -> str:
    return HOLE.format(f"text-{letter}")


def pieces(template: str, frame: Frame, context: dict[str, Any]) -> list[str]:
    """Render a stand-in's page and cut it at its holes: every second piece is the name of a hole."""
    # What a request would add; there is none, as what one of them brings must not stay in a page for all.
    general = {"request": {"htmx": True}, "LANGUAGE_CODE": frame.language, "csrf_token": HOLE.format("csrf")}
    page = render_to_string(template, context | general).replace(str(PK), HOLE.format("pk"))
    for letter in LETTERS[: frame.k]:
        page = page.replace(markdown(hole(letter)), HOLE.format(f"html-{letter}"))
    return HOLES.split(page)


def fill_in(pieces: list[str], ranking: Ranking, csrf_token: str) -> str:
    values = {"pk": str(ranking.pk), "csrf": csrf_token}
    for turn, message in enumerate(ranking.prompt.messages):
        values[f"turn-{turn}"] = escape(message["content"])
    for letter, text in zip(LETTERS, ranking.texts, strict=False):
        values[f"text-{letter}"], values[f"html-{letter}"] = escape(text), markdown(text)
    filled = pieces.copy()
    # What looks like a hole but is none was written by whoever wrote the instructions.
    filled[1::2] = [values.get(name, name) for name in pieces[1::2]]
    return "".join(filled)
