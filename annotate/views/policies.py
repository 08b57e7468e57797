"""Which policies answer a campaign's prompts, in which shares, and how often each one wins."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from annotate import access
from annotate.actions.checkpoints import set_policy_shares
from annotate.campaign_forms import PolicySharesForm
from annotate.errors import Refused
from annotate.forms import posted
from annotate.kept import WIN_RATES, shown
from annotate.models import Campaign, Checkpoint, CheckpointKind, User, current_policy
from annotate.signed_in import SignedInRequest, for_researchers

OFFERED = 20


@require_http_methods(["GET", "POST"])
@for_researchers
def policies(request: SignedInRequest, pk: int) -> HttpResponse:
    campaign = access.campaign(request.user, pk)
    current = current_policy(campaign)
    form = PolicySharesForm(posted(request), offered=offered(request.user, campaign, current))
    if form.is_valid():
        try:
            set_policy_shares(campaign, request.user, form.shares())
        except Refused as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("The shares are saved; they count from the next prompt sampled."))
            return redirect("campaign-policies", pk)
    found = shown(campaign, WIN_RATES)
    context = {
        "campaign": campaign,
        "current": current,
        "form": form,
        "kept": found.kept,
        "win_rates": found.figures,
    }
    return render(request, "policies/policies.html", context, status=422 if form.errors else 200)


def offered(user: User, campaign: Campaign, current: Checkpoint | None) -> list[tuple[Checkpoint, int]]:
    """Return the policies that could be sampled besides the current one, with their shares now."""
    shares = dict(campaign.policy_shares.values_list("policy", "percent"))
    policies = access.loadable_checkpoints(user, campaign).filter(kind=CheckpointKind.POLICY)
    fit = [row for row in policies if row != current]
    named = sorted(fit, key=lambda row: (row.pk not in shares, -row.pk))[: max(OFFERED, len(shares))]
    return [(row, shares.get(row.pk, 0)) for row in named]
