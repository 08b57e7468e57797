"""What every response gets: compression, the Content-Security-Policy, and errors as answers, in one place."""

from collections.abc import Callable
from gzip import GzipFile
from io import BytesIO
from secrets import randbelow

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.shortcuts import render
from django.utils.cache import patch_vary_headers

from annotate.errors import Refused

CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)

LEAST_BYTES = 500
QUICK = 1
"""gzip's level, of 9; Django's is 6."""

GetResponse = Callable[[HttpRequest], HttpResponse]


class QuickGZipMiddleware(GZipMiddleware):
    """Django's, but for pages at a level that takes a seventh of the time for 11 % more bytes."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        accepts = "gzip" in request.headers.get("Accept-Encoding", "")
        if not isinstance(response, HttpResponse) or response.has_header("Content-Encoding") or not accepts:
            return super().process_response(request, response)
        if len(response.content) < LEAST_BYTES:
            return response
        patch_vary_headers(response, ("Accept-Encoding",))
        response.content = compressed(response.content, b"a" * randbelow(self.max_random_bytes))
        response["Content-Length"] = str(len(response.content))
        response["Content-Encoding"] = "gzip"
        return response


def compressed(content: bytes, name: bytes) -> bytes:
    """Return the content as gzip; its header carries the name, which nobody reads: it hides the length."""
    buffer = BytesIO()
    with GzipFile(name, "wb", QUICK, buffer, mtime=0) as file:
        file.write(content)
    return buffer.getvalue()


class ContentSecurityPolicyMiddleware:
    """Forbid inline script and style, and every other host."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        return response


class ErrorMiddleware:
    """Answer a refused action with its sentence and status, as a page or as an htmx fragment."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, Refused):
            return None
        template = "_refused.html" if getattr(request, "htmx", False) else "refused.html"
        return render(request, template, {"message": str(exception)}, status=exception.status)
