"""Marking gold items: a finished ranking becomes what a prompt's ranking should be."""

from django.db import transaction
from django.utils.translation import gettext as _

from annotate.actions.audit import record
from annotate.errors import Refused
from annotate.models import ClaimState, GoldItem, Prompt, Purpose, Ranking, User


def mark(ranking: Ranking, actor: User) -> GoldItem:
    """Make a ranking's ranks, as they are now, those that its prompt should get; they replace earlier ones.

    Raises:
        Refused: it is not submitted, is itself a check, or puts no completion before another.
    """
    if ranking.state != ClaimState.SUBMITTED or ranking.purpose != Purpose.DATA:
        raise Refused(_("Only a submitted ranking can be gold, and none that was a check itself."))
    ranks = ranking.ranks
    if len(set(ranks)) == 1:
        raise Refused(_("This ranking puts no completion before another, so nobody could be checked by it."))
    with transaction.atomic():
        about = {"ranks": ranks, "ranking": ranking, "marked_by": actor}
        gold, _made = GoldItem.objects.update_or_create(prompt_id=ranking.prompt_id, defaults=about)
        record(actor, "marked gold", Prompt(pk=ranking.prompt_id), ranking=ranking.pk, ranks=ranks)
    return gold


def unmark(gold: GoldItem, actor: User) -> None:
    """Let a prompt be gold no more: it checks nobody from now on, and what it has checked is not told."""
    with transaction.atomic():
        record(actor, "unmarked gold", gold.prompt, ranks=gold.ranks)
        gold.delete()
