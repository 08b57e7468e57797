"""A signed-in labeler's requests to the application, at the lowest cost of its own: WSGI, no sockets."""

import io
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import urlencode

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.middleware.csrf import _get_new_csrf_string
from django.test import Client

from annotate.models import User


class Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class Browser:
    """Sends what the desk's scripts send: session, CSRF token, htmx's header, and that gzip is understood."""

    def __init__(self, user: User) -> None:
        from annotate.wsgi import application

        self.application: WSGIHandler = application
        token = _get_new_csrf_string()
        cookies = {settings.SESSION_COOKIE_NAME: session_of(user), settings.CSRF_COOKIE_NAME: token}
        self.environ = {
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "localhost",
            "HTTP_COOKIE": "; ".join(f"{name}={value}" for name, value in cookies.items()),
            "HTTP_ACCEPT_ENCODING": "gzip",
            "HTTP_X_CSRFTOKEN": token,
            "HTTP_HX_REQUEST": "true",
            "CONTENT_TYPE": "application/x-www-form-urlencoded",
            "wsgi.url_scheme": "http",
        }

    def post(self, path: str, form: Mapping[str, object] | None = None) -> Reply:
        return self.send(self.request(path, form or {}))

    def get(self, path: str) -> Reply:
        address, _mark, query = path.partition("?")
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": address, "QUERY_STRING": query}
        asked = {name: value for name, value in self.environ.items() if name != "HTTP_HX_REQUEST"}
        return self.send(asked | environ | {"wsgi.input": io.BytesIO(b"")})

    def request(self, path: str, form: Mapping[str, object]) -> dict[str, object]:
        body = urlencode(form, doseq=True).encode()
        environ = {"REQUEST_METHOD": "POST", "PATH_INFO": path, "CONTENT_LENGTH": str(len(body))}
        return self.environ | environ | {"wsgi.input": io.BytesIO(body)}

    def send(self, environ: dict[str, object]) -> Reply:
        told: list[tuple[str, Iterable[tuple[str, str]]]] = []
        response = self.application(environ, lambda *status: told.append(status[:2]))
        body = b"".join(response)
        response.close()
        status, headers = told[0]
        return Reply(int(status.split()[0]), dict(headers), body)


def session_of(user: User) -> str:
    """Sign this person in, and return what their cookie says."""
    client = Client()
    client.force_login(user)
    return str(client.session.session_key)
