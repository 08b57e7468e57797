"""Signing in and out, and what a person chose for the look: theme and language."""

from django.contrib.auth import login, logout
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST
from django.views.i18n import set_language

from annotate.actions import people
from annotate.actions import sign_in as attempts
from annotate.errors import Refused
from annotate.signed_in import SignedInRequest


@login_not_required
@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return redirect(next_url(request))
    if request.method == "GET":
        return page(request, AuthenticationForm(request))
    name, address = request.POST.get("username", ""), request.META.get("REMOTE_ADDR", "")
    if attempts.is_throttled(name, address):
        raise Refused(_("Too many failed sign-ins for this name. Wait five minutes, then try again."))
    form = AuthenticationForm(request, request.POST)
    if not form.is_valid():
        attempts.failed(name, address)
        return page(request, form, status=422)
    login(request, form.get_user())
    return redirect(next_url(request))


def page(request: HttpRequest, form: AuthenticationForm, status: int = 200) -> HttpResponse:
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    return render(request, "account/sign_in.html", {"form": form, "next": wanted}, status=status)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return redirect("sign-in")


@require_POST
def theme(request: SignedInRequest) -> HttpResponse:
    people.choose_theme(request.user, request.POST.get("theme", ""))
    return redirect(next_url(request))


language = login_not_required(require_POST(set_language))


def next_url(request: HttpRequest) -> str:
    """Return where the person was going, if that is a page of ours."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    is_ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, request.is_secure())
    return wanted if is_ours else "home"
