"""Writing runs: starting, cancelling and retrying one, and what the process that works on it reports.

A run goes QUEUED -> RUNNING -> SUCCEEDED, FAILED or CANCELLED. `attempts` tells whose it is: a worker that
was given up for lost finds another number there and leaves.
"""

from collections.abc import Sequence
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _

from annotate import configs
from annotate.actions import checkpoints
from annotate.actions.audit import record
from annotate.actions.snapshots import take_snapshot
from annotate.errors import Invalid, Refused
from annotate.jobs import ring_trainer
from annotate.models import (
    Campaign,
    Checkpoint,
    CheckpointKind,
    Run,
    RunMetric,
    RunState,
    Snapshot,
    Split,
    Stage,
    User,
    current_policy,
)
from annotate.stage_process import Metrics, numbers

LOST_AFTER = timedelta(seconds=30)
MAX_ATTEMPTS = 3
ALIVE = (RunState.QUEUED, RunState.RUNNING)


class Order(Enum):
    """What whoever works on a run is told when they report."""

    GO_ON = "go on"
    CANCEL = "cancel"
    STOP = "stop"
    """The worker is stopping; the run goes back to the queue."""
    LEAVE = "leave"
    """The run was given to another worker, or ended without this one."""


def start_run(
    campaign: Campaign,
    stage: str,
    *,
    actor: User | None,
    preset: str = "small",
    config: dict[str, Any] | None = None,
    policy: Checkpoint | None = None,
    reward_model: Checkpoint | None = None,
    second_judge: Checkpoint | None = None,
    pretraining: str = "",
    is_foreground: bool = False,
) -> Run:
    """Queue a run on a snapshot of the campaign as it is now.

    It begins from the campaign's current policy, and PPO takes its newest reward model, unless others are
    named. Raises Invalid naming the field of a bad config, Refused when the stage lacks what it needs.
    """
    checked = configs.check(stage, preset, config or {})
    refuse_unknown_pretraining(pretraining)
    policy = policy or current_policy(campaign)
    if stage == Stage.PPO:
        reward_model = reward_model or newest_reward_model(campaign)
    refuse_unfit_checkpoints(campaign, stage, policy, reward_model)
    refuse_unfit_second_judge(campaign, stage, reward_model, second_judge)
    snapshot = take_snapshot(campaign, actor)
    refuse_without_data(stage, snapshot)
    with transaction.atomic():
        run = Run.objects.create(
            campaign=campaign,
            stage=stage,
            preset=preset,
            config=checked,
            snapshot=snapshot,
            policy=policy,
            reward_model=reward_model,
            second_judge=second_judge,
            pretraining=pretraining,
            is_foreground=is_foreground,
            created_by=actor,
        )
        record(actor, "started", run, stage=stage, snapshot=snapshot.sha256)
        if not is_foreground:
            ring_trainer(run.pk)
    return run


def pretraining_folder() -> Path:
    """Return where an operator puts text for PPO-ptx: nothing else on the disk can be named."""
    path: Path = settings.DATA_DIR / "pretraining"
    return path


def pretraining_files() -> list[str]:
    """Return the names of the text files that a run can mix in."""
    found = pretraining_folder().glob("*")
    return sorted(path.name for path in found if path.is_file() and path.suffix in (".txt", ".jsonl"))


def refuse_unknown_pretraining(name: str) -> None:
    if name and name not in pretraining_files():
        raise Invalid(
            _("pretraining: there is no file %(name)s in %(folder)s; put .txt or .jsonl files there.")
            % {"name": name, "folder": pretraining_folder()}
        )


def newest_reward_model(campaign: Campaign) -> Checkpoint | None:
    rows = Checkpoint.objects.filter(campaign=campaign, kind=CheckpointKind.REWARD_MODEL)
    return rows.exclude(location="").first()


def refuse_unfit_checkpoints(
    campaign: Campaign, stage: str, policy: Checkpoint | None, reward_model: Checkpoint | None
) -> None:
    if policy is None:
        raise Refused(
            _("policy: this campaign has no policy yet; promote one, or name the one to begin with.")
        )
    if stage == Stage.PPO and reward_model is None:
        raise Refused(_("reward_model: PPO needs one, and this campaign has none yet; train it first."))
    _refuse_unfit("policy", CheckpointKind.POLICY, campaign, policy)
    if reward_model is not None:
        _refuse_unfit("reward_model", CheckpointKind.REWARD_MODEL, campaign, reward_model)


def refuse_unfit_second_judge(
    campaign: Campaign, stage: str, reward_model: Checkpoint | None, second_judge: Checkpoint | None
) -> None:
    if second_judge is None:
        return
    if stage != Stage.PPO:
        raise Invalid(_("second_judge: only PPO has one."))
    if second_judge == reward_model:
        raise Invalid(_("second_judge: must be another reward model than the one PPO learns from."))
    _refuse_unfit("second_judge", CheckpointKind.REWARD_MODEL, campaign, second_judge)


def _refuse_unfit(field: str, kind: CheckpointKind, campaign: Campaign, given: Checkpoint) -> None:
    told = {"field": field, "name": given}
    if given.kind != kind:
        raise Invalid(_("%(field)s: %(name)s is of the other kind.") % told)
    if given.campaign_id not in (None, campaign.pk):
        raise Invalid(_("%(field)s: %(name)s belongs to another campaign.") % told)
    if not given.location:
        raise Invalid(_("%(field)s: %(name)s is known by name only; it has no weights here.") % told)


def refuse_without_data(stage: str, snapshot: Snapshot) -> None:
    """Raise Refused when the snapshot holds nothing that the stage could learn from."""
    manifest = snapshot.manifest
    splits = manifest["prompts"]["splits"]
    if stage == Stage.SFT and not manifest["demonstrations"]["rows"]:
        raise Refused(_("SFT needs demonstrations, and this campaign has none submitted yet."))
    if stage == Stage.REWARD and not manifest["rankings"]["comparisons"]:
        raise Refused(_("A reward model needs comparisons, and no submitted ranking gives one yet."))
    if stage == Stage.PPO and Split.TRAIN not in splits:
        raise Refused(_("PPO needs prompts of the training split, and this campaign has none."))
    if stage == Stage.EVALUATE and Split.VALID not in splits:
        raise Refused(_("An evaluation needs prompts of the validation split, and this campaign has none."))


def cancel_run(run: Run, actor: User | None) -> None:
    """End a queued run, or ask whoever works on it to stop. Raises Refused for one that is over."""
    now = timezone.now()
    with transaction.atomic():
        waiting = Run.objects.filter(pk=run.pk, state=RunState.QUEUED)
        if not waiting.update(state=RunState.CANCELLED, finished_at=now, cancel_requested_at=now):
            working = Run.objects.filter(pk=run.pk, state=RunState.RUNNING)
            if not working.update(cancel_requested_at=now):
                raise Refused(_("This run is over; there is nothing to cancel."))
        record(actor, "cancelled", run)


def retry_run(run: Run, actor: User | None) -> None:
    """Queue a failed or cancelled run again: it goes on from its last saved state, on the same snapshot."""
    with transaction.atomic():
        over = Run.objects.filter(pk=run.pk, state__in=[RunState.FAILED, RunState.CANCELLED])
        if not over.update(
            state=RunState.QUEUED,
            attempts=0,
            reason="",
            finished_at=None,
            cancel_requested_at=None,
            heartbeat_at=None,
            is_foreground=False,
        ):
            raise Refused(_("Only a run that failed or was cancelled can be started again."))
        record(actor, "retried", run)
        ring_trainer(run.pk)


def begin(run_id: int) -> Run | None:
    """Take a queued run, or return None: someone else works on it, or it is over."""
    now = timezone.now()
    taken = Run.objects.filter(pk=run_id, state=RunState.QUEUED).update(
        state=RunState.RUNNING,
        attempts=F("attempts") + 1,
        started_at=Coalesce("started_at", now),
        heartbeat_at=now,
        reason="",
    )
    if not taken:
        return None
    related = ("campaign", "policy", "reward_model", "second_judge", "snapshot")
    return Run.objects.select_related(*related).get(pk=run_id)


def report(run: Run, metrics: list[Metrics], log_tail: str) -> Order:
    """Keep what the run said since the last report, and return what to do."""
    said = {"heartbeat_at": timezone.now(), "log_tail": log_tail}
    if metrics:
        newest = metrics[-1]
        said |= {"step": newest["step"], "total_steps": newest["total"]}
        said["phase"] = str(newest.get("phase", ""))[:100]
    if not _mine(run).update(**said):
        return Order.LEAVE
    store_metrics(run, metrics)
    is_cancelled = Run.objects.filter(pk=run.pk, cancel_requested_at__isnull=False).exists()
    return Order.CANCEL if is_cancelled else Order.GO_ON


def store_metrics(run: Run, metrics: list[Metrics]) -> None:
    """Add or replace the numbers of these steps; a resumed run repeats some."""
    said = [(line["step"], numbers(line)) for line in metrics]
    RunMetric.objects.bulk_create(
        [RunMetric(run=run, step=step, values=values) for step, values in said if values],
        update_conflicts=True,
        update_fields=["values"],
        unique_fields=["run", "step"],
    )


def succeed(
    run: Run,
    kind: str | None,
    location: Path,
    result: dict[str, Any],
    samples: Sequence[checkpoints.Sample] = (),
) -> None:
    """End a run well: add the checkpoint that it made (kind None: it made none) and keep its result."""
    with transaction.atomic():
        if not _end(run, RunState.SUCCEEDED, "", result=result, phase=""):
            return
        run.result = result
        if kind is not None:
            run.checkpoint = checkpoints.add(run, kind, location, samples)
            run.save(update_fields=["checkpoint"])


def fail(run: Run, reason: str) -> None:
    _end(run, RunState.FAILED, reason)


def cancelled(run: Run) -> None:
    _end(run, RunState.CANCELLED, "")


def give_back(run: Run) -> None:
    """Queue a run again unblamed: its worker is stopping, and it goes on from its saved state."""
    _mine(run).update(state=RunState.QUEUED, attempts=F("attempts") - 1, heartbeat_at=None)


def find_lost() -> int:
    """Give up on runs whose process is silent: queue them again, at most three times. Return how many."""
    silent_since = timezone.now() - LOST_AFTER
    silent = Run.objects.filter(state=RunState.RUNNING, heartbeat_at__lt=silent_since)
    # A command that died between queueing its run and taking it left this one behind.
    unbegun = Q(state=RunState.QUEUED, created_at__lt=silent_since)
    foreground = Run.objects.filter(unbegun | Q(pk__in=silent), is_foreground=True)
    words = _("The command that worked on this run was stopped. Retry goes on from its last saved state.")
    found = _give_up(foreground, RunState.FAILED, words)
    found += _give_up(silent.filter(cancel_requested_at__isnull=False), RunState.CANCELLED, "")
    words = _("The worker stopped in the middle of this run, %(count)d times.") % {"count": MAX_ATTEMPTS}
    found += _give_up(silent.filter(attempts__gte=MAX_ATTEMPTS), RunState.FAILED, words)
    words = _("The worker stopped in the middle; the run goes on from its last saved state.")
    return found + silent.update(state=RunState.QUEUED, reason=words, heartbeat_at=None)


def ring_for_waiting() -> None:
    """Ring the training workers for every queued run; a bell too many does no harm."""
    waiting = Run.objects.filter(state=RunState.QUEUED, is_foreground=False).order_by("pk")
    for run_id in waiting.values_list("pk", flat=True):
        ring_trainer(run_id)


def _mine(run: Run) -> QuerySet[Run]:
    """Return the row while it is this attempt's: running, and given to nobody else since."""
    return Run.objects.filter(pk=run.pk, state=RunState.RUNNING, attempts=run.attempts)


def _end(run: Run, state: RunState, reason: str, **said: Any) -> bool:
    ended = _mine(run).update(state=state, reason=reason, finished_at=timezone.now(), **said)
    return ended == 1


def _give_up(runs: QuerySet[Run], state: RunState, reason: str) -> int:
    return runs.update(state=state, reason=reason, finished_at=timezone.now())
