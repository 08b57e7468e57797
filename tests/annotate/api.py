"""A program at the API: a client that sends a person's token."""

import json
from typing import Any

from django.http import HttpResponse
from django.test import Client

from annotate.actions.tokens import make_token
from annotate.models import Scope, User


class Program:
    """Sends JSON with a token of this person's, and reads the answers."""

    def __init__(self, owner: User | None, *scopes: str) -> None:
        """Give the program every scope unless some are named; without an owner it sends no token."""
        self.headers = {}
        if owner:
            _token, text = make_token(owner, "test", scopes or Scope.values, 1)
            self.headers = {"Authorization": f"Bearer {text}"}

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> HttpResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = json.dumps(body) if body is not None else ""
        return Client().generic(
            method, f"/api/{path}", sent, "application/json", headers=self.headers | named
        )

    def get(self, path: str, **headers: str) -> HttpResponse:
        return self.ask("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> HttpResponse:
        return self.ask("POST", path, body, **headers)
