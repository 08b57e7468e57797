"""The rankings and demonstrations of a file's rows: found, or added as submitted."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from annotate.actions.imported_names import Names
from annotate.actions.imported_prompts import Known
from annotate.models import ClaimState, Demonstration, RankedCompletion, Ranking
from annotate.wire import Row, refuse_line


def add_rankings(rows: Sequence[Row], known: Known, names: Names, began_at: datetime) -> int:
    """Add the rankings that are not here yet; return how many.

    Raises Invalid when a labeler has judged a prompt twice in the file, or otherwise here.
    """
    here = _rankings_here(known)
    slots = _next_slots(Ranking, known)
    new: dict[tuple[int, int | None], tuple[Ranking, Row]] = {}
    for row in rows:
        prompt, labeler = known.prompts[row.id], names.users.get(row.labeler)
        key = (prompt.pk, labeler.pk if labeler else None)
        if key in new:
            _refuse_repeat(row)
        if key in here:
            _refuse_another(row, here[key], began_at)
            continue
        new[key] = _ranking(row, known, names, slots[prompt.pk]), row
        slots[prompt.pk] += 1
    Ranking.objects.bulk_create(ranking for ranking, _row in new.values())
    ranked = [one for ranking, row in new.values() for one in _ranked(ranking, row, known)]
    RankedCompletion.objects.bulk_create(ranked, batch_size=2000)
    return len(new)


def add_demonstrations(rows: Sequence[Row], known: Known, began_at: datetime | None) -> int:
    """Add the demonstrations that are not here yet, whose writers nobody knows; return how many.

    Raises Invalid, unless began_at is None, when a line stands twice in the file.
    """
    slots = _next_slots(Demonstration, known)
    prompts = {known.prompts[row.id].pk for row in rows}
    submitted = Demonstration.objects.filter(prompt__in=prompts, state=ClaimState.SUBMITTED)
    here = {(one.prompt_id, one.text): one.created_at for one in submitted.order_by("-pk")}
    new: list[Demonstration] = []
    for row in rows:
        prompt = known.prompts[row.id]
        made_at = here.get((prompt.pk, row.demonstration))
        if made_at is None:
            new.append(_demonstration(row, known, slots[prompt.pk]))
            slots[prompt.pk] += 1
            here[prompt.pk, row.demonstration] = timezone.now()
        elif began_at is not None and made_at >= began_at:
            _refuse_repeat(row)
    Demonstration.objects.bulk_create(new)
    return len(new)


def _rankings_here(known: Known) -> dict[tuple[int, int | None], Ranking]:
    rows = Ranking.objects.filter(prompt__in=known.prompts.values())
    rows = rows.prefetch_related("ranked_completions__completion").order_by("pk")
    return {(ranking.prompt_id, ranking.labeler_id): ranking for ranking in rows}


def _next_slots(answers: type[Ranking] | type[Demonstration], known: Known) -> Counter[int]:
    """Return each prompt's first free slot after those in use; 0 where there are none."""
    held = answers.objects.filter(prompt__in=known.prompts.values(), slot__isnull=False)
    last = held.order_by().values_list("prompt").annotate(last=Max("slot"))
    return Counter({prompt: slot + 1 for prompt, slot in last})


def _ranking(row: Row, known: Known, names: Names, slot: int) -> Ranking:
    return Ranking(
        prompt=known.prompts[row.id],
        labeler=names.users.get(row.labeler),
        source_id=row.id,
        state=ClaimState.SUBMITTED,
        slot=slot,
        seconds=row.seconds,
        submitted_at=timezone.now(),
    )


def _ranked(ranking: Ranking, row: Row, known: Known) -> list[RankedCompletion]:
    """Nobody knows in which order they were shown, so the places are the file's."""
    return [
        RankedCompletion(
            ranking=ranking,
            completion=completion,
            place=place,
            rank=row.ranks[place],
            rating=row.ratings[place] if row.ratings else None,
            flags=row.flags[place] if row.flags else [],
        )
        for place, completion in enumerate(known.completions[ranking.prompt_id])
    ]


def _demonstration(row: Row, known: Known, slot: int) -> Demonstration:
    return Demonstration(
        prompt=known.prompts[row.id],
        source_id=row.id,
        state=ClaimState.SUBMITTED,
        slot=slot,
        submitted_at=timezone.now(),
        text=row.demonstration,
    )


def _refuse_another(row: Row, ranking: Ranking, began_at: datetime) -> None:
    """Refuse a row that this ranking contradicts, or that repeats an earlier line of the file."""
    if ranking.created_at >= began_at:
        _refuse_repeat(row)
    words = {"id": row.id, "labeler": row.labeler or _("nobody named")}
    if ranking.state != ClaimState.SUBMITTED:
        problem = _("%(labeler)s has begun to rank %(id)s here; import it when that is done.")
        refuse_line(row.line, problem % words)
    ranked = sorted(ranking.ranked_completions.all(), key=lambda one: one.completion.place)
    if [one.rank for one in ranked] != row.ranks:
        problem = _("the ranking of %(id)s by %(labeler)s is here already with other ranks.")
        refuse_line(row.line, problem % words)


def _refuse_repeat(row: Row) -> None:
    problem = _("%(id)s stands on an earlier line already, by the same labeler or with the same text.")
    refuse_line(row.line, problem % {"id": row.id})
