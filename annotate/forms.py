"""What labelers send, read into what actions take; an error names the field."""

import math
import re
from typing import Any

from django import forms
from django.http import HttpRequest, QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotate import asked
from annotate.actions.prompts import Pair
from annotate.actions.rankings import Answer, Judgement
from annotate.errors import Invalid
from annotate.models import Campaign, PromptFlag

JUDGEMENT_FIELD = re.compile(r"(rank|rating|flags|notes)-(.+)", re.DOTALL)


def posted(request: HttpRequest) -> QueryDict | None:
    """Return what was posted, an empty body as well, which is as wrong as any other; None for a GET."""
    return request.POST if request.method == "POST" else None


class Text(forms.CharField):
    """What people wrote, as they wrote it, a browser's line ends aside."""

    widget = forms.Textarea

    def to_python(self, value: str | None) -> str:
        return as_written(super().to_python(value) or "")


class PromptForm(forms.Form):
    """What each way of writing a prompt asks besides, none of it required."""

    category = forms.ChoiceField(
        label=gettext_lazy("Category"),
        choices=[("", gettext_lazy("None chosen"))],
        required=False,
    )
    flags = forms.MultipleChoiceField(
        label=gettext_lazy("This prompt is, or has"),
        choices=PromptFlag.choices,
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )

    def __init__(self, data: QueryDict | None, campaign: Campaign) -> None:
        super().__init__(data)
        # Any, for the types of forms know fields by their base alone.
        fields: Any = self.fields
        fields["category"].choices = [*fields["category"].choices, *asked.categories(campaign)]
        fields["flags"].choices = asked.prompt_flags(campaign, [])

    def asked(self) -> list[forms.BoundField]:
        """Return the fields that come before these."""
        return [self[name] for name in self.fields if name not in PromptForm.base_fields]


class PlainForm(PromptForm):
    text = Text(label=gettext_lazy("Prompt"), strip=False)


class UseCaseForm(PlainForm):
    use_case = forms.CharField(
        label=gettext_lazy("Use case"),
        max_length=200,
        help_text=gettext_lazy("What somebody wants to use a model for, in a few vague words."),
    )
    field_order = ["use_case", "text"]

    def __init__(self, data: QueryDict | None, campaign: Campaign) -> None:
        """Offer the listed use cases; without any, people name their own."""
        super().__init__(data, campaign)
        if listed := campaign.listed_use_cases:
            self.fields["use_case"] = forms.ChoiceField(
                label=gettext_lazy("Use case"),
                choices=[(each, each) for each in listed],
                widget=forms.RadioSelect,
            )


class FewShotForm(PromptForm):
    instruction = Text(label=gettext_lazy("Instruction"), strip=False)


def pairs(data: QueryDict) -> list[Pair]:
    """Return the pairs of a few-shot prompt; those left empty are not there."""
    halves = zip(data.getlist("query"), data.getlist("response"), strict=False)
    both = (Pair(as_written(query), as_written(response)) for query, response in halves)
    return [pair for pair in both if pair.query.strip() or pair.response.strip()]


def ranking_answer(data: QueryDict) -> Answer:
    """Return the answer in a form's rank-A, rating-A, flags-A, notes-A, ..., notes, prompt_flags, asks_review
    and seconds.

    Raises:
        Invalid: a rank, a rating or the seconds are not numbers.
    """
    letters = {match[2] for match in map(JUDGEMENT_FIELD.fullmatch, data) if match}
    judgements = {letter: judgement(data, letter) for letter in sorted(letters)}
    flags = tuple(data.getlist("prompt_flags"))
    notes, asks_review = as_written(data.get("notes", "")), "asks_review" in data
    return Answer(judgements, notes, flags, seconds(data), asks_review)


def judgement(data: QueryDict, letter: str) -> Judgement:
    return Judgement(
        rank=whole_number(data, f"rank-{letter}"),
        rating=whole_number(data, f"rating-{letter}"),
        flags=tuple(data.getlist(f"flags-{letter}")),
        notes=as_written(data.get(f"notes-{letter}", "")),
    )


def whole_number(data: QueryDict, name: str) -> int | None:
    """Return a field's number, None where it is empty. Raises Invalid for anything else."""
    value = data.get(name, "").strip()
    if not value:
        return None
    if not (value.isascii() and value.isdigit() and len(value) < 5):
        raise Invalid(_("%(name)s: “%(value)s” is not a whole number.") % {"name": name, "value": value[:20]})
    return int(value)


def seconds(data: QueryDict) -> float | None:
    """Return how long the browser says the person worked, None where it does not. Raises Invalid."""
    value = data.get("seconds", "").strip()
    if not value:
        return None
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise Invalid(_("seconds: “%(value)s” is not a length of time.") % {"value": value[:20]})
    return number


def as_written(text: str) -> str:
    """Return a text with one sign for a line end, and without NUL, which PostgreSQL cannot store."""
    return text.replace("\r\n", "\n").replace("\x00", "")
