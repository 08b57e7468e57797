"""Shapes that several endpoints share."""

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
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


class IdField(serializers.PrimaryKeyRelatedField[Any]):
    """The id of a row that the token's owner may see."""

    def __init__(self, *, rows: Callable[[User], QuerySet[Any]], **options: Any) -> None:
        self.rows = rows
        super().__init__(pk_field=serializers.IntegerField(), **options)

    def get_queryset(self) -> QuerySet[Any]:
        return self.rows(self.context["request"].user)


class NameField(serializers.SlugRelatedField[User]):
    """The name of a person, of those that the token's owner may see."""

    def __init__(self, *, rows: Callable[[User], QuerySet[User]], **options: Any) -> None:
        self.rows = rows
        super().__init__(slug_field="username", queryset=User.objects.none(), **options)

    def get_queryset(self) -> QuerySet[User]:
        return self.rows(self.context["request"].user)

    def to_internal_value(self, data: Any) -> User:
        # PostgreSQL's text cannot hold NUL, not even to compare with.
        found: User = super().to_internal_value(str(data).replace("\x00", "\ufffd"))
        return found


def username() -> serializers.SlugRelatedField[User]:
    """Return the field that names a person; null where nobody is known."""
    return serializers.SlugRelatedField(slug_field="username", read_only=True, allow_null=True)
