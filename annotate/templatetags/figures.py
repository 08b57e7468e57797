"""Template filters: figures as people read them."""

from django import template
from django.utils.formats import number_format

from annotate.actions.handing_out import MOST_LEFT

register = template.Library()


@register.filter
def percent(share: float) -> str:
    """Return a share as a percentage with one decimal."""
    # number_format cuts digits off; rounding is ours to do.
    return f"{number_format(round(100 * share, 1), 1)}%"


@register.filter
def left(prompts: int) -> str:
    """Return how many are left to do, of which no more than MOST_LEFT were counted."""
    return f"{MOST_LEFT}+" if prompts >= MOST_LEFT else str(prompts)
