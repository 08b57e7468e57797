"""A person's own prompts, and one prompt with its completions as they arrive."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from annotate.access import SignedInRequest
from annotate.models import Prompt


@require_safe
def prompts(request: SignedInRequest) -> HttpResponse:
    own = Prompt.objects.filter(author=request.user).order_by("-id")
    return render(request, "prompts/prompts.html", {"prompts": own[:100]})
