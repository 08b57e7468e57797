"""What every endpoint is made of: its scopes, its pages, and writes that are done once."""

from collections.abc import Callable
from functools import wraps
from hashlib import sha256
from json import loads
from typing import Any, Concatenate, ParamSpec, TypeVar

from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.exceptions import NotAuthenticated, NotFound, PermissionDenied, ValidationError
from rest_framework.fields import IntegerField
from rest_framework.generics import GenericAPIView
from rest_framework.pagination import BasePagination, Cursor, CursorPagination
from rest_framework.parsers import BaseParser, JSONParser
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from annotate.actions import kept_answers
from annotate.actions.kept_answers import LONGEST_KEY, Said
from annotate.api.auth import ApiRequest, BearerToken, RequestsAMinute
from annotate.models import ApiToken, Scope

P = ParamSpec("P")
M = TypeVar("M", bound=Model)
V = TypeVar("V", bound="Endpoint")
Write = Callable[Concatenate[V, ApiRequest, P], Response]


class Pages(CursorPagination):
    """A page at a time; the next one begins where this one ended, whatever was added meanwhile."""

    ordering = "pk"
    page_size = 50
    max_page_size = 500
    page_size_query_param = "limit"

    def get_page_size(self, request: Request) -> int:
        given = request.query_params.get(self.page_size_query_param)
        if given is None:
            return self.page_size
        try:
            return int(IntegerField(min_value=1, max_value=self.max_page_size).run_validation(given))
        except ValidationError as error:
            raise ValidationError({self.page_size_query_param: error.detail}) from error

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        parameters: list[dict[str, Any]] = super().get_schema_operation_parameters(view)
        for parameter in parameters:
            if parameter["name"] == self.page_size_query_param:
                parameter["schema"] |= {"minimum": 1, "maximum": self.max_page_size}
        return parameters

    def decode_cursor(self, request: Request) -> Cursor | None:
        cursor = super().decode_cursor(request)
        # A position that someone made up would reach the database as it is.
        if cursor and cursor.position is not None and not str(cursor.position).isdecimal():
            raise NotFound(self.invalid_cursor_message)
        return cursor


class TokenHasScope(BasePermission):
    """Ask for the endpoint's scope to read or, for every other method, to write."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        assert isinstance(view, Endpoint), "only an endpoint says which scopes it needs"
        token = request.auth
        if not isinstance(token, ApiToken):
            raise NotAuthenticated(_("Send a token: Authorization: Bearer TOKEN."))
        scope = view.read_scope if request.method in SAFE_METHODS else view.write_scope
        if scope not in token.scopes:
            raise PermissionDenied(
                _("This token lacks the scope “%(scope)s”; make one that has it.") % {"scope": scope}
            )
        return True


class Endpoint(GenericAPIView[Any]):
    """An address of the API. Rows reach it through access.py, as they reach a page."""

    read_scope = Scope.READ
    write_scope = Scope.READ
    told_once: tuple[str, ...] = ()
    """What of its answers is secret, and so not kept for whoever sends the same again."""
    authentication_classes = (BearerToken,)
    permission_classes = (TokenHasScope,)
    throttle_classes = (RequestsAMinute,)
    parser_classes: tuple[type[BaseParser], ...] = (JSONParser,)
    renderer_classes = (JSONRenderer,)
    pagination_class: type[BasePagination] | None = Pages

    def listed(self, rows: QuerySet[M], shape: type[BaseSerializer[M]]) -> Response:
        """Answer one page of these rows."""
        page: Any = self.paginate_queryset(rows)
        return self.get_paginated_response(shape(page, many=True, context={"request": self.request}).data)


def sent(shape: type[BaseSerializer[Any]], request: ApiRequest, **options: Any) -> dict[str, Any]:
    """Return what was sent, in this shape. Raises ValidationError, which names each field."""
    given = shape(data=request.data, context={"request": request}, **options)
    given.is_valid(raise_exception=True)
    values: dict[str, Any] = given.validated_data
    return values


def chosen(request: ApiRequest, choice: OpenApiParameter) -> str:
    """Return which of a choice's values the address names, else its default, or an empty text without one.

    Raises:
        ValidationError: the choice does not know the value; the message says which it knows.
    """
    known = [str(value) for value in choice.enum or ()]
    value = request.query_params.get(choice.name)
    if value is None:
        return str(choice.default or "")
    if value not in known:
        words = _("“%(value)s” is not known here; it can be %(known)s.")
        raise ValidationError({choice.name: words % {"value": value[:80], "known": ", ".join(known)}})
    return value


IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY},
    OpenApiParameter.HEADER,
    description="Any text of your own: the same request with the same key is done once, and answered alike.",
)


def once(method: Write[V, P]) -> Write[V, P]:
    """Let a write with an Idempotency-Key be sent again: it is done once and answered alike for two days."""

    @wraps(method)
    def inner(self: V, request: ApiRequest, /, *args: P.args, **kwargs: P.kwargs) -> Response:
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return method(self, request, *args, **kwargs)

        made: list[Response] = []

        def act() -> Said:
            made.append(method(self, request, *args, **kwargs))
            return Said(made[0].status_code, _kept(made[0].data, self.told_once))

        said = kept_answers.once(request.auth, key, fingerprint(request), act)
        headers = {"Idempotency-Replayed": "true"}
        return made[0] if made else Response(loads(said.body or "null"), said.status, headers=headers)

    documented: Write[V, P] = extend_schema(parameters=[IDEMPOTENCY_KEY])(inner)
    return documented


def _kept(data: Any, told_once: tuple[str, ...]) -> str:
    """Return an answer as it is kept; empty for one without a body."""
    if data is None:
        return ""
    return JSONRenderer().render(data | dict.fromkeys(told_once) if told_once else data).decode()


def fingerprint(request: ApiRequest) -> str:
    asked = f"{request.method} {request.get_full_path()}\n".encode() + request.body
    return sha256(asked).hexdigest()


NOTHING = {status.HTTP_204_NO_CONTENT: None}
JSON_LINES = {(status.HTTP_200_OK, "application/x-ndjson"): OpenApiTypes.BINARY}
