"""API tokens: one's own, made and revoked; for admins, who has which."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from annotate import access
from annotate.actions import tokens
from annotate.forms import posted
from annotate.people_forms import TokenForm
from annotate.signed_in import SignedInRequest, for_admins

TOKENS_A_PAGE = 100


@never_cache
@require_http_methods(["GET", "POST"])
def own_tokens(request: SignedInRequest) -> HttpResponse:
    form = TokenForm(posted(request))
    context = {
        "form": form,
        "tokens": access.tokens(request.user).filter(owner=request.user),
        "now": timezone.now(),
    }
    if form.is_valid():
        # Answered here and not after a redirect: the text is kept nowhere, so it is shown once.
        token, text = tokens.make_token(request.user, **form.cleaned_data)
        return render(request, "tokens/made.html", {"token": token, "text": text}, status=201)
    return render(request, "tokens/own.html", context, status=422 if form.errors else 200)


@require_GET
@for_admins
def all_tokens(request: SignedInRequest) -> HttpResponse:
    rows = access.tokens(request.user).select_related("owner")
    page = Paginator(rows, TOKENS_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "tokens/all.html", {"page": page, "tokens": page, "now": timezone.now()})


@require_POST
def revoke(request: SignedInRequest, pk: int) -> HttpResponse:
    token = access.token(request.user, pk)
    tokens.revoke(token, request.user)
    messages.success(request, _("The token is revoked; programs that use it are shut out."))
    return redirect("own-tokens" if token.owner_id == request.user.pk else "tokens")
