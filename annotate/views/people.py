"""People, for admins: who there is, adding someone, roles, passwords and leaving."""

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.core.paginator import Paginator
from django.forms import model_to_dict
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from annotate import access
from annotate.actions import people
from annotate.errors import Invalid
from annotate.forms import posted
from annotate.models import AuditEntry, User
from annotate.people_forms import InviteForm, LanguagesForm, PasswordForm, RoleForm, WorkForm
from annotate.signed_in import SignedInRequest, for_admins

PEOPLE_A_PAGE = 100


@require_GET
@for_admins
def people_list(request: SignedInRequest) -> HttpResponse:
    rows = access.people(request.user).prefetch_related("campaigns").order_by("-is_active", "username")
    page = Paginator(rows, PEOPLE_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "people/list.html", {"page": page})


@never_cache
@require_http_methods(["GET", "POST"])
@for_admins
def invite(request: SignedInRequest) -> HttpResponse:
    form = InviteForm(posted(request))
    if form.is_valid():
        try:
            person, password = people.invite(request.user, **form.cleaned_data)
        except Invalid as error:
            form.add_error("username", str(error))
        else:
            # Answered here and not after a redirect: the password is kept nowhere, so it is shown once.
            context = {"person": person, "password": password}
            return render(request, "people/password.html", context, status=201)
    return render(request, "people/invite.html", {"form": form}, status=422 if form.errors else 200)


@require_GET
@for_admins
def person_page(request: SignedInRequest, pk: int) -> HttpResponse:
    return shown(request, access.person(request.user, pk))


def shown(request: SignedInRequest, person: User, work_form: WorkForm | None = None) -> HttpResponse:
    pk = person.pk
    context = {
        "person": person,
        "form": RoleForm(initial={"role": person.role}),
        "work_form": work_form or WorkForm(initial=model_to_dict(person, ["languages", "qualifications"])),
        "did": AuditEntry.objects.filter(actor=person)[:20],
        "happened": AuditEntry.objects.filter(noun="user", noun_id=pk).select_related("actor")[:20],
    }
    return render(request, "people/person.html", context, status=422 if work_form else 200)


@require_POST
@for_admins
def change_work(request: SignedInRequest, pk: int) -> HttpResponse:
    """Change which languages a person reads and what they are qualified for."""
    person = access.person(request.user, pk)
    form = WorkForm(request.POST)
    if form.is_valid():
        try:
            people.change_work(person, request.user, **form.cleaned_data)
        except Invalid as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("What they work on is saved."))
            return redirect("person", pk)
    return shown(request, person, form)


@require_POST
@for_admins
def change_role(request: SignedInRequest, pk: int) -> HttpResponse:
    person = access.person(request.user, pk)
    people.change_role(person, request.POST.get("role", ""), request.user)
    messages.success(request, _("The role is saved."))
    return redirect("person", pk)


@require_POST
@for_admins
def deactivate(request: SignedInRequest, pk: int) -> HttpResponse:
    people.deactivate(access.person(request.user, pk), request.user)
    messages.success(request, _("This person cannot sign in any more."))
    return redirect("person", pk)


@require_POST
@for_admins
def reactivate(request: SignedInRequest, pk: int) -> HttpResponse:
    people.reactivate(access.person(request.user, pk), request.user)
    messages.success(request, _("This person can sign in again."))
    return redirect("person", pk)


@never_cache
@require_POST
@for_admins
def reset_password(request: SignedInRequest, pk: int) -> HttpResponse:
    person = access.person(request.user, pk)
    context = {"person": person, "password": people.reset_password(person, request.user)}
    return render(request, "people/password.html", context)


@sensitive_post_parameters("old", "new")
@require_http_methods(["GET", "POST"])
def own_password(request: SignedInRequest) -> HttpResponse:
    """Let anyone who is signed in change their own password and stay signed in."""
    form = PasswordForm(posted(request))
    if form.is_valid():
        try:
            people.change_own_password(request.user, **form.cleaned_data)
        except Invalid as error:
            form.add_error(None, str(error))
        else:
            update_session_auth_hash(request, request.user)
            messages.success(request, _("Your password is changed."))
            return redirect("home")
    return account(request, form, own_languages(request.user))


def own_languages(person: User) -> LanguagesForm:
    return LanguagesForm(initial={"languages": person.languages})


@require_POST
def change_languages(request: SignedInRequest) -> HttpResponse:
    """Let anyone say which languages they read."""
    form = LanguagesForm(request.POST)
    if form.is_valid():
        try:
            people.change_work(request.user, request.user, **form.cleaned_data)
        except Invalid as error:
            form.add_error("languages", str(error))
        else:
            messages.success(request, _("Your languages are saved."))
            return redirect("account")
    return account(request, PasswordForm(), form)


def account(request: SignedInRequest, form: PasswordForm, languages: LanguagesForm) -> HttpResponse:
    status = 422 if form.errors or languages.errors else 200
    context = {"form": form, "languages_form": languages}
    return render(request, "people/own_password.html", context, status=status)
