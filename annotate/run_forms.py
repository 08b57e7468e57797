"""The form that starts a run: what it reads, and its config as fields made from the stage's schema."""

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.forms import BoundField
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotate import configs
from annotate.actions.runs import newest_reward_model, pretraining_files
from annotate.models import Campaign, Checkpoint, CheckpointKind, Stage, current_policy

PREFIX = "config-"

NOTHING_TO_LOAD = {
    "policy": gettext_lazy("No policy is here yet; `manage.py prepare_base` prepares the base policy."),
    "reward_model": gettext_lazy("None is here yet: start a run of the stage Reward model first."),
}


class StartForm(forms.Form):
    """Fields begin with the preset's values; an error stands under its field and what was typed stays."""

    policy = forms.ModelChoiceField(
        label=gettext_lazy("Policy to begin with"), queryset=Checkpoint.objects.none(), empty_label=None
    )
    reward_model = forms.ModelChoiceField(
        label=gettext_lazy("Reward model"), queryset=Checkpoint.objects.none(), empty_label="–"
    )
    second_judge = forms.ModelChoiceField(
        label=gettext_lazy("Second judge"),
        queryset=Checkpoint.objects.none(),
        required=False,
        empty_label="–",
        help_text=gettext_lazy(
            "Another reward model that scores held-out completions too; nothing learns from it. Where its "
            "score falls while the first one's rises, the policy games the first. Best trained on other data."
        ),
    )
    pretraining = forms.ChoiceField(
        label=gettext_lazy("Pretraining text"),
        required=False,
        help_text=gettext_lazy(
            "Mixed in (PPO-ptx): a .txt or .jsonl file in the data folder's pretraining/."
        ),
    )

    def __init__(
        self,
        campaign: Campaign,
        stage: str,
        preset: str,
        checkpoints: QuerySet[Checkpoint],
        data: QueryDict | None = None,
    ) -> None:
        """Ask how to start a run; it begins from one of the checkpoints, those that workers can load."""
        begins_with = {"policy": current_policy(campaign), "reward_model": newest_reward_model(campaign)}
        super().__init__(data, initial=begins_with)
        self.stage, self.preset = stage, preset
        policies = checkpoints.filter(kind=CheckpointKind.POLICY)
        reward_models = checkpoints.filter(kind=CheckpointKind.REWARD_MODEL)
        self.offer("policy", policies)
        self.offer("reward_model", reward_models)
        if stage == Stage.EVALUATE:
            self.fields["reward_model"].required = False
        elif stage != Stage.PPO:
            del self.fields["reward_model"]
        if stage != Stage.PPO:
            del self.fields["second_judge"]
        else:
            self.choose("second_judge", reward_models)
        if stage not in (Stage.SFT, Stage.PPO):
            del self.fields["pretraining"]
        else:
            texts = self.fields["pretraining"]
            assert isinstance(texts, forms.ChoiceField), "pretraining text is chosen from files"
            texts.choices = [("", "–"), *((name, name) for name in pretraining_files())]
        values = configs.preset(stage, preset)
        for name, schema in settings_of(stage).items():
            self.fields[PREFIX + name] = config_field(name, schema, values[name])

    def choose(self, name: str, rows: QuerySet[Checkpoint]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ModelChoiceField), f"{name} chooses a checkpoint"
        field.queryset = rows

    def offer(self, name: str, rows: QuerySet[Checkpoint]) -> None:
        """Let one of these be chosen, and say what comes first where there is none."""
        self.choose(name, rows)
        if not rows:
            self.fields[name].help_text = NOTHING_TO_LOAD[name]

    def asked(self) -> dict[str, Any]:
        """Return what was asked for, as the action start_run takes it."""
        reads = {name: value for name, value in self.cleaned_data.items() if not name.startswith(PREFIX)}
        config = {name: self.cleaned_data[PREFIX + name] for name in settings_of(self.stage)}
        return {"preset": self.preset, "config": config, **reads}

    def reads(self) -> list[BoundField]:
        """Return the fields that say what the run reads."""
        return [self[name] for name in self.fields if not name.startswith(PREFIX)]

    def main_settings(self) -> list[BoundField]:
        """Return the settings in which the presets differ, and those that are wrong: what people look at."""
        return [self[PREFIX + name] for name in settings_of(self.stage) if self.is_main(name)]

    def other_settings(self) -> list[BoundField]:
        names = settings_of(self.stage)
        return [self[PREFIX + name] for name in names if not self.is_main(name)]

    def is_main(self, name: str) -> bool:
        values = {str(configs.preset(self.stage, preset)[name]) for preset in configs.presets(self.stage)}
        return len(values) > 1 or PREFIX + name in self.errors

    def refuse(self, words: str) -> None:
        """Put what an action said under the field it begins with, else on top of the form."""
        named = words.split(":")[0].strip()
        fields = [name for name in (named, PREFIX + named) if name in self.fields]
        self.add_error(fields[0] if fields else None, words)


def settings_of(stage: str) -> dict[str, dict[str, Any]]:
    """Return the names of a stage's settings with the JSON schema of each."""
    properties: dict[str, dict[str, Any]] = configs.schema(stage)["properties"]
    return properties


def config_field(name: str, schema: dict[str, Any], value: Any) -> forms.Field:
    """Return a form field for one setting of a stage; `schema` is its JSON schema, flat."""
    schema, is_needed = without_null(schema)
    told: dict[str, Any] = {"label": name, "initial": value, "help_text": words(schema)}
    told["required"] = is_needed
    if "enum" in schema:
        return forms.ChoiceField(choices=[(choice, choice) for choice in schema["enum"]], **told)
    if schema["type"] == "boolean":
        return forms.BooleanField(**told | {"required": False})
    if schema["type"] == "integer":
        return forms.IntegerField(**told | whole_bounds(schema))
    if schema["type"] == "number":
        bounds = {"min_value": schema.get("minimum"), "max_value": schema.get("maximum")}
        return forms.FloatField(**told | bounds)
    return forms.CharField(**told)


def without_null(schema: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return a setting's schema without its null, and whether a value is needed: an empty field is null."""
    kinds = [kind for kind in schema.get("anyOf", []) if kind.get("type") != "null"]
    return (schema | kinds[0], False) if kinds else (schema, True)


def whole_bounds(schema: dict[str, Any]) -> dict[str, int | None]:
    lowest, highest = schema.get("minimum"), schema.get("maximum")
    if "exclusiveMinimum" in schema:
        lowest = schema["exclusiveMinimum"] + 1
    if "exclusiveMaximum" in schema:
        highest = schema["exclusiveMaximum"] - 1
    return {"min_value": lowest, "max_value": highest}


def words(schema: dict[str, Any]) -> str:
    """Return what a setting means and the values it takes."""
    bounds = [
        _("at least %s") % schema["minimum"] if "minimum" in schema else "",
        _("above %s") % schema["exclusiveMinimum"] if "exclusiveMinimum" in schema else "",
        _("at most %s") % schema["maximum"] if "maximum" in schema else "",
        _("below %s") % schema["exclusiveMaximum"] if "exclusiveMaximum" in schema else "",
    ]
    said = _(", ").join(bound for bound in bounds if bound)
    description = schema.get("description", "")
    # gettext would answer an empty text with its catalogue's header.
    description = _(description) if description else ""
    told = {"description": description, "bounds": said}
    return _("%(description)s (%(bounds)s)") % told if said else description
