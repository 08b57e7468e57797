"""What goes wrong, as RFC 9457 problems: what happened, what to do, and which field it is about."""

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import Http404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.exceptions import APIException, ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import exception_handler

from annotate.errors import Refused

PROBLEM = "application/problem+json"


class TooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE


class Unreadable(APIException):
    status_code = status.HTTP_400_BAD_REQUEST


@extend_schema(exclude=True)
@api_view(["GET", "POST", "PUT", "PATCH", "DELETE"])
@authentication_classes([])
@permission_classes([])
def nowhere(request: Request, address: str) -> Response:
    """Answer that there is nothing at an address of the API, as a problem and not as a page."""
    raise Http404


def problem(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn whatever an endpoint raises into its answer; None for what is our own fault."""
    response = exception_handler(_as_api_exception(error), context)
    if response is None:
        return None
    if isinstance(error, ValidationError):
        response.status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
        fields = _fields(error.detail)
        detail = " ".join(f"{field}: {words}" if field else words for field, words in fields)
    else:
        fields, detail = [], str(response.data["detail"])
    response.data = {
        "type": "about:blank",
        "title": response.status_text,
        "status": response.status_code,
        "detail": detail,
        "fields": [{"field": field, "message": words} for field, words in fields],
    }
    response.content_type = PROBLEM
    return response


def _as_api_exception(error: Exception) -> Exception:
    if isinstance(error, Refused):
        refusal = APIException(str(error))
        refusal.status_code = error.status
        return refusal
    if isinstance(error, RequestDataTooBig):
        return TooLarge(_("The body is too long; send less at a time."))
    if isinstance(error, RecursionError):
        return Unreadable(_("The body is nested too deeply."))
    return error


def _fields(detail: Any, path: str = "") -> list[tuple[str, str]]:
    """Return what is wrong where: nested errors as paths."""
    if isinstance(detail, dict):
        own = "non_field_errors"
        return [
            found
            for name, inner in detail.items()
            for found in _fields(inner, path if name == own else _path(path, name))
        ]
    if isinstance(detail, list):
        if all(isinstance(each, ErrorDetail) for each in detail):
            return [(path, str(each)) for each in detail]
        return [found for place, inner in enumerate(detail) for found in _fields(inner, f"{path}[{place}]")]
    return [(path, str(detail))]


def _path(path: str, name: str | int) -> str:
    """Return the path of a member; a list's bad elements come under their places."""
    if isinstance(name, int):
        return f"{path}[{name}]"
    return f"{path}.{name}" if path else name
