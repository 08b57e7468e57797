"""A run's config, checked against annotate/stages.json: the stages' schemas as the trainer printed them."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from annotate.errors import Invalid

DEFAULT_PRESET = "small"

RULES = {
    "minimum": gettext_lazy("must be at least %s"),
    "exclusiveMinimum": gettext_lazy("must be above %s"),
    "maximum": gettext_lazy("must be at most %s"),
    "exclusiveMaximum": gettext_lazy("must be below %s"),
    "enum": gettext_lazy("must be one of %s"),
    "type": gettext_lazy("must be of the type %s"),
}
"""What a schema's rule asks, for the rules that the stages use."""


@cache
def stages() -> dict[str, Any]:
    """Return {stage: {"schema", "presets"}}."""
    text = (Path(__file__).parent / "stages.json").read_text(encoding="utf-8")
    known: dict[str, Any] = json.loads(text)
    return known


def schema(stage: str) -> dict[str, Any]:
    """Return the JSON schema of a stage's config. Raises Invalid for a stage that does not exist."""
    if stage not in stages():
        raise Invalid(_("stage: there is no stage called %(name)s.") % {"name": stage})
    return dict(stages()[stage]["schema"])


def descriptions() -> list[str]:
    """Return what the schemas say of their settings, each text once, sorted."""
    fields = [field for known in stages().values() for field in known["schema"]["properties"].values()]
    return sorted({field["description"] for field in fields if "description" in field})


def presets(stage: str) -> list[str]:
    """Return the names of a stage's presets, the default first."""
    return sorted(stages()[stage]["presets"], key=lambda name: name != DEFAULT_PRESET)


def preset(stage: str, name: str) -> dict[str, Any]:
    """Return a preset's whole config. Raises Invalid for a stage or preset that does not exist."""
    schema(stage)
    if name not in presets(stage):
        raise Invalid(
            _("preset: there is no preset called %(name)s; choose %(known)s.")
            % {"name": name, "known": ", ".join(presets(stage))}
        )
    return dict(stages()[stage]["presets"][name])


def check(stage: str, preset_name: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Return the preset's config with these changes, whole.

    Raises Invalid naming every field that is unknown, of the wrong type or out of range.
    """
    config = preset(stage, preset_name) | changes
    errors = Draft202012Validator(schema(stage)).iter_errors(config)
    sentences = sorted(_sentence(error) for error in errors)
    if sentences:
        raise Invalid(" ".join(sentences))
    return config


def _sentence(error: ValidationError) -> str:
    if error.validator == "additionalProperties":
        unknown = sorted(set(error.instance) - set(error.schema["properties"]))
        return _("%(fields)s: this stage has no such field.") % {"fields": ", ".join(unknown)}
    field = ".".join(str(part) for part in error.absolute_path) or _("config")
    if error.validator not in RULES:
        return f"{field}: {error.message}."
    asked = error.validator_value
    listed = ", ".join(map(str, asked)) if isinstance(asked, list) else asked
    return f"{field}: {json.dumps(error.instance, ensure_ascii=False)} {RULES[error.validator] % listed}."


def parse(stage: str, name: str, text: str) -> Any:
    """Return one field's value from what a person typed: JSON where it is that, else the text itself."""
    if name not in schema(stage)["properties"]:
        raise Invalid(_("%(fields)s: this stage has no such field.") % {"fields": name})
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
