"""Forms of a campaign: its settings, instructions, people, policies and webhooks."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.forms import modelform_factory
from django.http import QueryDict
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from annotate.models import Campaign, Checkpoint, Event, Flag, PromptFlag, User

BOXES = {"flags_left_out": Flag.choices, "prompt_flags_left_out": PromptFlag.choices}


def _with_boxes(column: Any, **options: Any) -> forms.Field:
    """Return the field of a column, one box a flag for those that list flags."""
    if column.name not in BOXES:
        field: forms.Field = column.formfield(**options)
        return field
    return forms.MultipleChoiceField(
        label=capfirst(column.verbose_name),
        help_text=column.help_text,
        choices=BOXES[column.name],
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )


CampaignForm = modelform_factory(
    Campaign,
    formfield_callback=_with_boxes,
    fields=[
        "name",
        "k",
        "labelers_per_prompt",
        "max_completion_tokens",
        "temperature",
        "lease_minutes",
        "review_below",
        "gold_percent",
        "repeat_percent",
        "repeat_after_items",
        "repeat_after_days",
        "longest_prompt",
        "duplicate_prefix",
        "prompts_per_author",
        "mask_personal_data",
        "use_cases",
        "categories",
        "flags_left_out",
        "own_flags",
        "prompt_flags_left_out",
        "qualification",
        "category_qualifications",
        "is_open",
        "is_screening",
        "gives_qualification",
    ],
)

# Any, for modelform_factory's types know no lazy words.
_RETRAINING_HELP: dict[str, Any] = {
    "retrain_after_comparisons": _("Empty: new comparisons start nothing."),
    "retrain_after_hours": _("Empty: time starts nothing."),
    "promote_min_accuracy": _("Of the new reward model, on held-out comparisons: 0.5 is a coin."),
}
RetrainingForm = modelform_factory(
    Campaign,
    fields=["retrain_after_comparisons", "retrain_after_hours", "promote_min_accuracy", "promote_max_kl"],
    help_texts=_RETRAINING_HELP,
)


class InstructionsForm(forms.Form):
    text = forms.CharField(
        label=_("Instructions"),
        help_text=_(
            "Markdown. Saving makes a new version; earlier ones stay with the answers given under them."
        ),
        widget=forms.Textarea(attrs={"rows": 20}),
    )


def _people(**options: Any) -> "forms.ModelMultipleChoiceField[User]":
    """Return a field with a box for each person; the page carries along who was ticked as it was shown."""
    options |= {"required": False, "show_hidden_initial": True}
    return forms.ModelMultipleChoiceField(_everyone(), widget=forms.CheckboxSelectMultiple, **options)


def _everyone() -> QuerySet[User]:
    return User.objects.filter(is_active=True).order_by("username")


class MembersForm(forms.Form):
    labelers = _people(label=_("Who labels in this campaign"))
    held_out = _people(
        label=_("Whose answers never train"),
        help_text=_(
            "Held out, as in the paper: their answers count for agreement, but are in no export or snapshot."
        ),
    )

    reviewers = _people(
        label=_("Who reviews besides researchers"),
        help_text=_(
            "Of those who label here: they also look again at what others disagree on, but never at what "
            "they ranked or wrote themselves."
        ),
    )

    def changes(self, name: str) -> tuple[list[User], list[User]]:
        """Return whom this person ticked and unticked: what others changed meanwhile is none of it."""
        data, chosen = self.data, set(self.cleaned_data[name])
        assert isinstance(data, QueryDict), "the page sent it"
        shown = data.getlist(self.add_initial_prefix(name))
        ticked = [person for person in chosen if str(person.pk) not in shown]
        return ticked, [one for one in _everyone() if str(one.pk) in shown and one not in chosen]


class WebhookForm(forms.Form):
    url = forms.CharField(
        label=_("Address"),
        max_length=500,
        help_text=_(
            "https:// on the public internet. It gets a POST with JSON, signed as Standard Webhooks say."
        ),
        widget=forms.URLInput,
    )
    events = forms.MultipleChoiceField(
        label=_("What it is told"), choices=Event.choices, widget=forms.CheckboxSelectMultiple
    )


class PolicySharesForm(forms.Form):
    """A number for each policy on offer: its percent of the completions."""

    def __init__(self, data: QueryDict | None, offered: Sequence[tuple[Checkpoint, int]]) -> None:
        super().__init__(data)
        self.policies = {f"share-{policy.pk}": policy for policy, _percent in offered}
        for name, (policy, percent) in zip(self.policies, offered, strict=True):
            self.fields[name] = forms.IntegerField(
                label=_("%(policy)s, percent") % {"policy": policy},
                initial=percent,
                min_value=0,
                max_value=100,
                required=False,
            )

    def shares(self) -> dict[Checkpoint, int]:
        """Return the percents that are more than nothing."""
        said = {policy: self.cleaned_data[name] for name, policy in self.policies.items()}
        return {policy: percent for policy, percent in said.items() if percent}


class PromotionForm(forms.Form):
    reason = forms.CharField(
        label=_("Reason"),
        max_length=300,
        help_text=_("Kept with the change, for whoever asks later."),
    )
