"""Who asks for a page: somebody who is signed in, and for some pages only researchers or admins."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.http import HttpRequest, HttpResponseBase
from django_htmx.middleware import HtmxDetails

from annotate.access import only_admins, only_researchers
from annotate.models import User

P = ParamSpec("P")


class SignedInRequest(HttpRequest):
    """A request whose person is known: LoginRequiredMiddleware let it through."""

    user: User
    htmx: HtmxDetails


View = Callable[Concatenate[SignedInRequest, P], HttpResponseBase]


def for_researchers(view: View[P]) -> View[P]:
    """Let researchers and admins in."""

    @wraps(view)
    def inner(request: SignedInRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        only_researchers(request.user)
        return view(request, *args, **kwargs)

    return inner


def for_admins(view: View[P]) -> View[P]:
    """Let admins in."""

    @wraps(view)
    def inner(request: SignedInRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        only_admins(request.user)
        return view(request, *args, **kwargs)

    return inner
