"""Forms of the researchers' and admins' screens."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.forms import modelform_factory
from django.http import QueryDict
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from annotate.models import Campaign, Checkpoint, Event, Flag, PromptFlag, Role, Scope, Split, User
from annotate.snapshot_query import SnapshotQuery

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


class Names(forms.CharField):
    """Names, one a line."""

    def clean(self, value: str | None) -> list[str]:
        return [line.strip() for line in (super().clean(value) or "").splitlines() if line.strip()]


class InviteForm(forms.Form):
    username = forms.CharField(label=_("Name to sign in with"), max_length=150)
    role = forms.ChoiceField(label=_("Role"), choices=Role.choices)


class RoleForm(forms.Form):
    role = forms.ChoiceField(label=_("Role"), choices=Role.choices)


class ListField(forms.CharField):
    """A few names with commas between them; none is an empty list."""

    def prepare_value(self, value: object) -> object:
        return ", ".join(value) if isinstance(value, list) else value

    def clean(self, value: str) -> list[str]:
        return list(dict.fromkeys(each.strip() for each in super().clean(value).split(",") if each.strip()))


class LanguagesForm(forms.Form):
    languages = ListField(
        label=_("Languages to read"),
        help_text=_("Codes with commas between them, as prompts have them: en, zh. Empty: any language."),
        max_length=400,
        required=False,
    )


class WorkForm(LanguagesForm):
    qualifications = ListField(
        label=_("Qualifications"),
        help_text=_("Names with commas between them; campaigns ask for them in their settings."),
        max_length=1000,
        required=False,
    )


class PasswordForm(forms.Form):
    old = forms.CharField(
        label=_("Current password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    new = forms.CharField(
        label=_("New password"),
        strip=False,
        help_text=_("At least ten characters."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )


class TokenForm(forms.Form):
    name = forms.CharField(label=_("What it is for"), max_length=100)
    scopes = forms.MultipleChoiceField(
        label=_("What it may be used for"),
        choices=Scope.choices,
        initial=[Scope.READ],
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Never more than you may do yourself."),
    )
    days = forms.TypedChoiceField(
        label=_("How long it lasts"),
        coerce=int,
        choices=[(7, _("7 days")), (30, _("30 days")), (90, _("90 days")), (365, _("365 days"))],
        initial=90,
    )


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


class SnapshotForm(forms.Form):
    """Which rows a snapshot takes in; empty fields restrict nothing."""

    since = forms.DateField(
        label=_("From day"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text=_("When answers were submitted, and prompts came in."),
    )
    until = forms.DateField(
        label=_("To day, inclusive"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    agreement = forms.FloatField(
        label=_("Labelers agree at least, from 0 to 1"),
        required=False,
        min_value=0,
        max_value=1,
        widget=forms.NumberInput(attrs={"step": "0.01"}),
        help_text=_(
            "Keeps the rankings of prompts where, of all comparisons that two labelers both decided, this "
            "share was decided alike. Held-out labelers count for it. Demonstrations and prompts all stay."
        ),
    )
    keep_single = forms.BooleanField(
        label=_("Also where no two labelers can be compared"),
        required=False,
        help_text=_("A prompt with one ranking has no agreement: without this its ranking is left out."),
    )
    only_reviews = forms.BooleanField(
        label=_("Of reviewed prompts the review alone"),
        required=False,
        help_text=_("Else a review stands beside the rankings that it looked at."),
    )
    labelers = Names(
        label=_("Whose answers"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Names, one a line. Held-out labelers' answers are never in."),
    )
    splits = forms.MultipleChoiceField(
        label=_("Splits"), choices=Split.choices, required=False, widget=forms.CheckboxSelectMultiple
    )
    instructions = forms.TypedMultipleChoiceField(
        label=_("Instructions"),
        coerce=int,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("The version that answers were given under; those from files were given under none."),
    )
    campaigns = forms.ModelMultipleChoiceField(
        label=_("Other campaigns as well"),
        queryset=Campaign.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Ids that came from files then begin with their campaign's number."),
    )

    def __init__(self, campaign: Campaign, data: QueryDict | None = None) -> None:
        super().__init__(data)
        versions = campaign.instructions.order_by("version").values_list("version", flat=True)
        # Any, for the types of forms know fields by their base alone.
        fields: Any = self.fields
        fields["instructions"].choices = [(version, f"v{version}") for version in versions]
        others = Campaign.objects.exclude(pk=campaign.pk)
        fields["campaigns"].queryset = others
        if not others.exists():
            del fields["campaigns"]

    def asked(self) -> SnapshotQuery:
        return SnapshotQuery(**self.cleaned_data)


class DecisionForm(forms.Form):
    """What an admin makes of a candidate."""

    candidate = forms.ModelChoiceField(label=_("Candidate"), queryset=User.objects.none())
    is_accepted = forms.TypedChoiceField(
        label=_("Decision"),
        choices=[("yes", _("Accept")), ("no", _("Decline"))],
        coerce=lambda value: value == "yes",
    )
    joins = forms.ModelChoiceField(label=_("Labels in"), queryset=Campaign.objects.none(), required=False)
    note = forms.CharField(label=_("Note"), max_length=4000, required=False)

    def __init__(
        self, data: QueryDict | None, *, auto_id: bool, people: QuerySet[User], campaigns: QuerySet[Campaign]
    ) -> None:
        super().__init__(data, auto_id=auto_id)
        # Any, for the types of forms know fields by their base alone.
        fields: Any = self.fields
        fields["candidate"].queryset, fields["joins"].queryset = people, campaigns


class ImportForm(forms.Form):
    kind = forms.ChoiceField(
        label=_("What the file holds"),
        choices=[
            ("rankings", _("Rankings")),
            ("demonstrations", _("Demonstrations")),
            ("prompts", _("Prompts")),
        ],
    )
    file = forms.FileField(
        label=_("File"),
        help_text=_("JSON Lines (.jsonl, .gz), CSV with the same names in its first line, Parquet or Arrow."),
        widget=forms.FileInput(attrs={"accept": ".jsonl,.gz,.csv,.parquet,.arrow,application/x-ndjson"}),
    )
    keep_good = forms.BooleanField(
        label=_("Keep the good lines when others are wrong"),
        help_text=_("Else one wrong line keeps the whole file out."),
        required=False,
    )
