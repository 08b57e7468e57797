"""Home: what there is to do."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from annotate import access
from annotate.access import SignedInRequest


@require_safe
def home(request: SignedInRequest) -> HttpResponse:
    return render(request, "home/home.html", {"campaigns": access.campaigns(request.user)})
