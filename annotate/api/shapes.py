"""Shapes that several endpoints share."""

from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers

from annotate.models import User


class MessageShape(serializers.Serializer[Any]):
    role = serializers.ChoiceField(choices=["system", "user", "assistant"])
    content = serializers.CharField(trim_whitespace=False)


class MessagesField(serializers.ListSerializer[Any]):
    """A conversation whose last message is the user's."""

    def validate(self, attrs: Any) -> Any:
        if not attrs or attrs[-1]["role"] != "user":
            raise serializers.ValidationError(_("The last message must be the user's."))
        return attrs


def username() -> serializers.SlugRelatedField[User]:
    """Return the field that names a person; null where nobody is known."""
    return serializers.SlugRelatedField(slug_field="username", read_only=True, allow_null=True)
