"""The OpenAPI document: what every answer may be, and the page that shows it."""

from functools import cache
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import translation
from django.views.decorators.http import require_GET
from drf_spectacular.generators import SchemaGenerator

from annotate.signed_in import SignedInRequest

PROBLEMS = {
    "400": "The body or a header cannot be read.",
    "401": "No token, or one that is not good any more.",
    "403": "The token lacks the scope.",
    "404": "There is no such thing, or not for the token's owner.",
    "406": "Only JSON is answered.",
    "409": "Understood, and refused as things are.",
    "413": "The body is too long.",
    "415": "The body is not JSON, or where a file is sent not a form.",
    "422": "Something in the body, a header or a parameter is wrong; the problem names it.",
    "429": "Too many requests; Retry-After says how long to wait.",
}
PROBLEM_SCHEMA = {
    "type": "object",
    "description": "What happened, what to do, and which fields it is about (RFC 9457).",
    "required": ["type", "title", "status", "detail", "fields"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What happened and what to do."},
        "fields": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {
                    "field": {"type": "string", "description": "Such as prompts[0].messages[1].content."},
                    "message": {"type": "string"},
                },
            },
        },
    },
}
OF_WRITES = {"400", "409", "413", "415", "422"}


def add_problems(result: dict[str, Any], **_context: Any) -> dict[str, Any]:
    """Say of every operation with which problems it may answer."""
    result["components"]["schemas"]["Problem"] = PROBLEM_SCHEMA
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path in result["paths"].values():
        for method, operation in path.items():
            for status, description in PROBLEMS.items():
                if method != "get" or status not in OF_WRITES or (status == "422" and _may_refuse(operation)):
                    operation["responses"][status] = {"description": description, "content": content}
    return result


def _may_refuse(operation: dict[str, Any]) -> bool:
    """Return whether an address takes a parameter that is one of a few words, or a number up to a limit."""
    taken = [each["schema"] for each in operation.get("parameters", ()) if each["in"] == "query"]
    return any("enum" in schema or "maximum" in schema for schema in taken)


@cache
def document() -> dict[str, Any]:
    """Return the OpenAPI document, made once: that takes half a second."""
    with translation.override("en"):
        made: dict[str, Any] = SchemaGenerator().get_schema(  # type: ignore[no-untyped-call]
            request=None, public=True
        )
    return made


@login_not_required
@require_GET
def schema(request: HttpRequest) -> JsonResponse:
    """Answer the document to whoever asks: it tells nothing of what is stored here."""
    return JsonResponse(document())


@require_GET
def docs(request: SignedInRequest) -> HttpResponse:
    """Show the document as a page; it needs no other host."""
    told = document()
    operations = [
        _operation(path, method, said)
        for path, methods in told["paths"].items()
        for method, said in methods.items()
    ]
    shapes = told["components"]["schemas"]
    return render(request, "api/docs.html", {"operations": operations, "shapes": _shapes(shapes)})


def _operation(path: str, method: str, said: dict[str, Any]) -> dict[str, Any]:
    good = {status: each for status, each in said["responses"].items() if status < "400"}
    return {
        "name": f"{method.upper()} {path}",
        "description": said["description"],
        "takes": _named(said.get("requestBody", {})),
        "answers": [(status, _named(each)) for status, each in good.items()],
    }


def _named(said: dict[str, Any]) -> str:
    """Return the name of the shape of a JSON body, empty for anything else."""
    shape = said.get("content", {}).get("application/json", {}).get("schema", {})
    return str(shape.get("$ref", "")).rpartition("/")[2]


def _shapes(schemas: dict[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return each shape's fields: name, type, whether it is needed, what it means."""
    return [
        (
            name,
            [
                {
                    "name": field,
                    "type": _type(about),
                    "is_needed": field in schema.get("required", ()),
                    **about,
                }
                for field, about in schema.get("properties", {}).items()
            ],
        )
        for name, schema in schemas.items()
        if "properties" in schema
    ]


def _type(about: dict[str, Any]) -> str:
    """Return a field's type in a word or two: integer, text of PromptFlags, ..."""
    if "items" in about:
        return f"[{_type(about['items'])}]"
    parts = [each for key in ("allOf", "oneOf") for each in about.get(key, ())]
    if parts:
        return " | ".join(_type(part) for part in parts)
    if "enum" in about:
        return " | ".join(str(value) for value in about["enum"])
    return str(about.get("$ref", "")).rpartition("/")[2] or str(about.get("type", ""))
