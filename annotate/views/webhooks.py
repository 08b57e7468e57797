"""Webhooks of a campaign, for admins: setting one up, changing and pausing it, its deliveries."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from annotate import access
from annotate.actions import deliveries, webhooks
from annotate.campaign_forms import WebhookForm
from annotate.errors import Invalid
from annotate.forms import posted
from annotate.signed_in import SignedInRequest, for_admins

DELIVERIES_A_PAGE = 50


@never_cache
@require_http_methods(["GET", "POST"])
@for_admins
def webhook_list(request: SignedInRequest, pk: int) -> HttpResponse:
    campaign = access.campaign(request.user, pk)
    form = WebhookForm(posted(request))
    if form.is_valid():
        try:
            made, secret = webhooks.add_webhook(campaign, request.user, **form.cleaned_data)
        except Invalid as error:
            form.add_error("url", str(error))
        else:
            # Answered here and not after a redirect: the secret is shown once.
            context = {"campaign": campaign, "webhook": made, "secret": secret}
            return render(request, "webhooks/made.html", context, status=201)
    context = {"campaign": campaign, "form": form, "webhooks": campaign.webhooks.all()}
    return render(request, "webhooks/list.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@for_admins
def webhook(request: SignedInRequest, pk: int) -> HttpResponse:
    """Show a webhook and its deliveries; a POST changes where it goes and what it is told."""
    row = access.webhook(request.user, pk)
    form = WebhookForm(posted(request), initial={"url": row.url, "events": row.events})
    if form.is_valid():
        try:
            webhooks.change_webhook(row, request.user, **form.cleaned_data)
        except Invalid as error:
            form.add_error("url", str(error))
        else:
            messages.success(request, _("The webhook is saved."))
            return redirect("webhook", pk)
    page = Paginator(row.deliveries.all(), DELIVERIES_A_PAGE).get_page(request.GET.get("page"))
    context = {"campaign": row.campaign, "webhook": row, "form": form, "page": page}
    return render(request, "webhooks/webhook.html", context, status=422 if form.errors else 200)


@require_POST
@for_admins
def pause(request: SignedInRequest, pk: int) -> HttpResponse:
    webhooks.change_webhook(access.webhook(request.user, pk), request.user, is_active=False)
    messages.success(request, _("The webhook is paused."))
    return redirect("webhook", pk)


@require_POST
@for_admins
def resume(request: SignedInRequest, pk: int) -> HttpResponse:
    webhooks.change_webhook(access.webhook(request.user, pk), request.user, is_active=True)
    messages.success(request, _("The webhook is told again what happens, and what happened meanwhile."))
    return redirect("webhook", pk)


@require_POST
@for_admins
def remove(request: SignedInRequest, pk: int) -> HttpResponse:
    row = access.webhook(request.user, pk)
    webhooks.remove_webhook(row, request.user)
    messages.success(request, _("The webhook is removed; it is told nothing more."))
    return redirect("campaign-webhooks", row.campaign_id)


@require_POST
@for_admins
def redeliver(request: SignedInRequest, pk: int) -> HttpResponse:
    delivery = access.delivery(request.user, pk)
    deliveries.redeliver(delivery, request.user)
    messages.success(request, _("It is sent again."))
    return redirect("webhook", delivery.webhook_id)
