"""Template filters: figures as people read them."""

from django import template
from django.utils.formats import number_format

register = template.Library()


@register.filter
def percent(share: float) -> str:
    """Return a share as a percentage with one decimal."""
    # number_format cuts digits off; rounding is ours to do.
    return f"{number_format(round(100 * share, 1), 1)}%"
