"""The OpenAPI document: it is one, it tells of every endpoint, and a page shows it."""

import re
from typing import Any

import pytest
from django.test import Client
from openapi_spec_validator import validate

from annotate.api.urls import urlpatterns
from annotate.models import User
from tests.people import client_of


@pytest.fixture(scope="module")
def document() -> Any:
    return Client().get("/api/schema").json()


def test_it_is_an_openapi_document(document: Any) -> None:
    validate(document)


def test_it_tells_of_every_endpoint(document: Any) -> None:
    told = {re.sub(r"{(\w+)}", r"<\1>", path) for path in document["paths"]}
    served = {
        f"/api/{re.sub('<[a-z]+:', '<', str(each.pattern))}".replace("<pk>", "<id>") for each in urlpatterns
    }
    assert told == served - {"/api/schema", "/api/docs", "/api/<address>"}


def test_every_operation_says_what_it_does_and_how_it_can_fail(document: Any) -> None:
    for path in document["paths"].values():
        for method, operation in path.items():
            assert operation["description"].endswith(".")
            assert {"401", "403", "404", "429"} <= operation["responses"].keys()
            taken = {each["name"]: each["schema"] for each in operation.get("parameters", [])}
            assert taken.get("limit", {}).get("maximum", 500) == 500
            refuses = "limit" in taken or any("enum" in schema for schema in taken.values())
            assert ("422" in operation["responses"]) == (refuses or method != "get")


def test_every_field_of_every_shape_has_a_type(document: Any) -> None:
    untyped = [
        (name, field)
        for name, shape in document["components"]["schemas"].items()
        for field, about in shape.get("properties", {}).items()
        if not {"type", "$ref", "allOf", "oneOf", "enum"} & about.keys()
    ]
    assert untyped == []


def test_a_page_shows_it_without_another_host(lena: User) -> None:
    page = client_of(lena).get("/api/docs")
    assert "POST /api/campaigns/{id}/customer-prompts" in page.text
    assert 'id="CustomerPromptShape"' in page.text.replace(
        "NewCustomerPromptShapeRequest", "CustomerPromptShape"
    )
    assert not re.search(r'(src|href)="(https?:)?//', page.text)
