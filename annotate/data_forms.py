"""Forms of data in and out: what a snapshot takes in, and a file to import."""

from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from annotate.models import Campaign, Split
from annotate.snapshot_query import SnapshotQuery


class Names(forms.CharField):
    """Names, one a line."""

    def clean(self, value: str | None) -> list[str]:
        return [line.strip() for line in (super().clean(value) or "").splitlines() if line.strip()]


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
