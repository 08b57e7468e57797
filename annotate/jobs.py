"""The way to the GPUs: the names of their tasks, rung when the transaction commits.

A message is only a bell: what is to do stands in rows. So a broker that is away loses nothing (beat
rings again), and a bell nobody heard for a while is dropped.
"""

import logging
from functools import partial

from celery.exceptions import OperationalError as CeleryOperationalError
from django.db import transaction
from kombu.exceptions import OperationalError

from annotate.celery import app

logger = logging.getLogger(__name__)

SAMPLE = "trainer.sample"
TRAIN = "trainer.train"
SEND_WEBHOOK = "annotate.send_webhook"
KEEP_FIGURES = "annotate.keep_figures"
CARRY = "annotate.carry"
BELL_SECONDS = 60
"""Beat rings more often than this."""


def ring_sampler() -> None:
    """Tell the sampling workers, once this transaction commits, that prompts wait."""
    transaction.on_commit(partial(_ring, SAMPLE))


def ring_trainer(run_id: int) -> None:
    """Tell the training workers, once this transaction commits, that a run waits."""
    transaction.on_commit(partial(_ring, TRAIN, run_id))


def ring_webhook(delivery_id: int) -> None:
    """Tell the light workers, once this transaction commits, that a delivery is due."""
    transaction.on_commit(partial(_ring, SEND_WEBHOOK, delivery_id))


def ring_figures() -> None:
    """Tell the light workers, once this transaction commits, that figures are asked for."""
    transaction.on_commit(partial(_ring, KEEP_FIGURES))


def ring_transfer(transfer_id: int) -> None:
    """Tell the light workers, once this transaction commits, that a transfer waits."""
    transaction.on_commit(partial(_ring, CARRY, transfer_id))


def workers_on(queue: str, timeout: float = 2.0) -> list[str]:
    """Return the names of the workers that answer now and take from this queue."""
    try:
        answers = app.control.inspect(timeout=timeout).active_queues() or {}
    except (OperationalError, CeleryOperationalError, OSError):
        return []
    return [worker for worker, queues in answers.items() if queue in {each["name"] for each in queues}]


def _ring(task: str, *ids: int) -> None:
    try:
        app.send_task(task, args=ids, expires=BELL_SECONDS, retry=False)
    except (OperationalError, CeleryOperationalError, OSError) as error:
        logger.warning("The broker did not take %s%s, beat will ring again: %s", task, ids, error)
