"""Forms about people: inviting them, what they work on, passwords, tokens and screening."""

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from annotate.models import Campaign, Role, Scope, User


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
