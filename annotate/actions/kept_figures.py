"""Working out the figures of big campaigns beforehand, each as often as it is worth while."""

import time
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from annotate.jobs import ring_figures
from annotate.kept import SUBJECTS, is_small, read, written
from annotate.models import Campaign, KeptFigures

EVERY_SECONDS = 300
SHARE_OF_TIME = 1 / 30
"""At most this much of a worker's time goes into one subject."""
LOST_AFTER = timedelta(hours=1)
"""A worker that has not finished by then is not there any more."""


def work_out_due() -> int:
    """Work out all that is due, one after the other; return how many that were."""
    count = 0
    for campaign in Campaign.objects.order_by("pk"):
        if not is_small(campaign):
            count += sum(_work_out_if_due(campaign, name) for name in SUBJECTS)
    return count


def ask_anew(campaign: Campaign, subject: str) -> None:
    """Have the figures worked out soon, however fresh they are."""
    kept, _is_new = KeptFigures.objects.get_or_create(campaign=campaign, subject=subject)
    KeptFigures.objects.filter(pk=kept.pk).update(is_asked_for=True)
    ring_figures()


def ask_all_anew(campaign: Campaign) -> None:
    """Have all figures of a campaign worked out soon; those of a small one are read when they are shown."""
    if not is_small(campaign):
        for subject in SUBJECTS:
            ask_anew(campaign, subject)


def _work_out_if_due(campaign: Campaign, name: str) -> bool:
    kept, _is_new = KeptFigures.objects.get_or_create(campaign=campaign, subject=name)
    now = timezone.now()
    if not (_is_due(kept, now) and _take(kept, now)):
        return False
    began = time.monotonic()
    figures = written(SUBJECTS[name].work_out(campaign))
    about = {"figures": figures, "as_of": now, "seconds": time.monotonic() - began, "began_at": None}
    # A worker that was taken for lost leaves the newer figures alone.
    KeptFigures.objects.filter(pk=kept.pk, began_at=now).update(**about)
    return True


def _is_due(kept: KeptFigures, now: datetime) -> bool:
    if kept.as_of is None or kept.is_asked_for or read(kept.figures, SUBJECTS[kept.subject]) is None:
        return True
    return now - kept.as_of > timedelta(seconds=max(EVERY_SECONDS, kept.seconds / SHARE_OF_TIME))


def _take(kept: KeptFigures, now: datetime) -> bool:
    """Return whether this worker is the one; another may have begun in this moment."""
    free = Q(began_at=None) | Q(began_at__lt=now - LOST_AFTER)
    unchanged = Q(as_of=kept.as_of) if kept.as_of else Q(as_of=None)
    return (
        KeptFigures.objects.filter(free, unchanged, pk=kept.pk).update(began_at=now, is_asked_for=False) > 0
    )
