"""Light periodic work on queue web: what beat rings for, each safe to run twice."""

import threading
from typing import Any

from celery import shared_task
from celery.signals import worker_shutting_down

from annotate.actions import (
    carrying,
    claims,
    deliveries,
    kept_answers,
    kept_figures,
    languages,
    retraining,
    runs,
    sampling,
    suggestions,
    transfers,
    webhooks,
)
from annotate.jobs import ring_sampler

LANGUAGE_BATCHES = 5
"""Three seconds' work, so that a million prompts from a file keep nobody else waiting."""

stopping = threading.Event()


@worker_shutting_down.connect
def leave(**_told: Any) -> None:
    """Let a transfer that is worked on go back to the queue."""
    stopping.set()


@shared_task(name="annotate.ring_for_waiting_prompts")
def ring_for_waiting_prompts() -> None:
    """Queue prompts and suggestions again whose worker was lost, and ring for all that wait."""
    sampling.release_lost()
    sampling.explain_waiting()
    suggestions.release_lost()
    if suggestions.is_anything_waiting() or sampling.is_anything_waiting():
        ring_sampler()


@shared_task(name="annotate.find_lost_runs")
def find_lost_runs() -> None:
    """Queue runs again whose worker was lost, and ring for all that wait."""
    runs.find_lost()
    runs.ring_for_waiting()


@shared_task(name="annotate.advance_retraining")
def advance_retraining() -> None:
    retraining.advance()


@shared_task(name="annotate.name_languages")
def name_languages() -> None:
    """Name the languages of prompts that came without one."""
    for _batch in range(LANGUAGE_BATCHES):
        if not languages.name_some():
            break


@shared_task(name="annotate.release_stale_claims")
def release_stale_claims() -> None:
    """Give the slots of claims that ran out back to others; the drafts stay."""
    claims.release_stale_claims()


@shared_task(name="annotate.find_untold")
def find_untold() -> None:
    """Find what webhooks are to be told, and ring for all that is due."""
    webhooks.find_untold()
    deliveries.ring_for_due()


@shared_task(name="annotate.send_webhook")
def send_webhook(delivery_id: int) -> None:
    deliveries.deliver(delivery_id)


@shared_task(name="annotate.keep_figures")
def keep_figures() -> None:
    """Work out beforehand what pages show of big campaigns."""
    kept_figures.work_out_due()


@shared_task(name="annotate.carry")
def carry(transfer_id: int) -> None:
    """Work on a file to take in or a snapshot to take until it ends."""
    carrying.work(transfer_id, stopping.is_set)


@shared_task(name="annotate.find_lost_transfers")
def find_lost_transfers() -> None:
    """End transfers whose worker was lost, and ring for the one that waits."""
    transfers.find_lost()
    transfers.ring_for_waiting()


@shared_task(name="annotate.forget_old_answers")
def forget_old_answers() -> None:
    """Delete the API's kept answers that nobody asks for any more."""
    kept_answers.forget_old()
