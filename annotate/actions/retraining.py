"""Writing rounds of retraining: a reward model from the newest rankings, PPO against it, then a decision.

A round goes REWARD -> PPO -> PROMOTED or DECLINED, or FAILED. Beat calls advance() again and again; each
step is one conditional UPDATE, so two beats at once take it once.
"""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from annotate.actions import checkpoints, runs
from annotate.actions.audit import record
from annotate.errors import Refused
from annotate.models import (
    Campaign,
    Retraining,
    RetrainingState,
    Run,
    RunState,
    Stage,
    User,
)
from annotate.progress import comparisons

UNDER_WAY = (RetrainingState.REWARD, RetrainingState.PPO)
# Between claiming a step and starting its run there are seconds, unless the process died there.
STEP_LOST_AFTER = timedelta(minutes=2)


ANY_NEW = 1000
"""So many are counted where none are wished for."""


class Due(NamedTuple):
    """Whether a campaign retrains now, and what that was decided on; None where a wish is not set."""

    is_due: bool
    comparisons_new: int
    comparisons_wanted: int | None
    hours: float
    hours_wanted: int | None
    words: str


def due(campaign: Campaign) -> Due:
    """Return whether the campaign should retrain now: enough new comparisons, or enough hours with any.

    New is what was submitted since the last round began, however that round ended; no more is counted than
    is wanted.
    """
    since = last_round_at(campaign)
    wanted, hours_wanted = campaign.retrain_after_comparisons, campaign.retrain_after_hours
    new = comparisons(campaign, since, at_most=wanted or ANY_NEW)
    hours = (timezone.now() - (since or campaign.created_at)).total_seconds() / 3600
    is_enough = wanted is not None and new >= wanted
    is_time = hours_wanted is not None and hours >= hours_wanted and new > 0
    words = words_for(new, wanted, hours, hours_wanted)
    return Due(is_enough or is_time, new, wanted, hours, hours_wanted, words)


def words_for(new: int, wanted: int | None, hours: float, hours_wanted: int | None) -> str:
    told = {"new": new, "wanted": wanted, "hours": f"{hours:.1f}", "hours_wanted": hours_wanted}
    parts = []
    if wanted is not None:
        parts.append(_("%(new)d of %(wanted)d new comparisons") % told)
    elif hours_wanted is not None:
        parts.append(_("%(new)d new comparisons") % told)
    if hours_wanted is not None:
        parts.append(_("%(hours)s of %(hours_wanted)d hours") % told)
    return "; ".join(parts) or _("This campaign does not retrain by itself.")


def last_round_at(campaign: Campaign) -> datetime | None:
    return campaign.retrainings.values_list("created_at", flat=True).first()


def advance() -> None:
    """Take every campaign's retraining as far as it goes now."""
    for round_ in Retraining.objects.filter(state__in=UNDER_WAY).select_related(
        "campaign", "reward_run__checkpoint", "ppo_run__checkpoint"
    ):
        advance_round(round_)
    wishes = Q(retrain_after_comparisons__isnull=False) | Q(retrain_after_hours__isnull=False)
    for campaign in Campaign.objects.filter(wishes).exclude(retrainings__state__in=UNDER_WAY):
        is_due = due(campaign)
        if is_due.is_due:
            start_round(campaign, is_due.words, None)


def start_round(campaign: Campaign, because: str, actor: User | None) -> Retraining | None:
    """Begin a round with its reward run; return None if another round is under way."""
    since = last_round_at(campaign)
    try:
        with transaction.atomic():
            round_ = Retraining.objects.create(
                campaign=campaign, due_because=because[:300], comparisons=comparisons(campaign, since)
            )
            record(actor, "began retraining", round_, because=because)
    except IntegrityError:
        return None
    run = start_stage(round_, Stage.REWARD)
    if run is not None:
        round_.reward_run = run
        round_.save(update_fields=["reward_run"])
    return round_


def retrain_now(campaign: Campaign, actor: User) -> Retraining:
    """Begin a round because someone asks for it. Raises Refused while another is under way."""
    round_ = start_round(campaign, _("Asked for by %(name)s") % {"name": actor}, actor)
    if round_ is None:
        raise Refused(_("A round is under way already; wait for its decision."))
    return round_


def start_stage(round_: Retraining, stage: Stage, **inputs: Any) -> Run | None:
    """Start one of the round's runs as the campaign ran that stage last; a refusal ends the round."""
    last = round_.campaign.runs.filter(stage=stage, state=RunState.SUCCEEDED).first()
    preset, config = (last.preset, last.config) if last else ("small", {})
    try:
        return runs.start_run(round_.campaign, stage, actor=None, preset=preset, config=config, **inputs)
    except Refused as error:
        end(round_, RetrainingState.FAILED, str(error))
        return None


def advance_round(round_: Retraining) -> None:
    """Take one round a step further if the run it waits for is over."""
    run = round_.reward_run if round_.state == RetrainingState.REWARD else round_.ppo_run
    if run is None:
        end_if_lost(round_)
    elif run.state in (RunState.FAILED, RunState.CANCELLED):
        reason = run.reason or run.get_state_display()
        end(round_, RetrainingState.FAILED, _("%(run)s: %(reason)s") % {"run": run, "reason": reason})
    elif run.state == RunState.SUCCEEDED and round_.state == RetrainingState.REWARD:
        judge_reward_model(round_, run)
    elif run.state == RunState.SUCCEEDED:
        judge_policy(round_, run)


def judge_reward_model(round_: Retraining, run: Run) -> None:
    """Go on to PPO if the new reward model is accurate enough; a poor judge is nothing to train against."""
    least = round_.campaign.promote_min_accuracy
    accuracy = run.result.get("accuracy")
    if accuracy is None:
        words = _("Not promoted: no held-out comparison to measure the new reward model with.")
        end(round_, RetrainingState.DECLINED, words)
    elif accuracy < least:
        words = _("Not promoted: %(accuracy)s, and at least %(least)s is asked for.")
        told = {"accuracy": accuracy_words(run), "least": f"{least:.1%}"}
        end(round_, RetrainingState.DECLINED, words % told)
    elif _step(round_, RetrainingState.PPO):
        ppo_run = start_stage(round_, Stage.PPO, reward_model=run.checkpoint)
        Retraining.objects.filter(pk=round_.pk).update(ppo_run=ppo_run)


def judge_policy(round_: Retraining, run: Run) -> None:
    """Promote the new policy if it stayed near enough to the one it grew from."""
    most, kl = round_.campaign.promote_max_kl, run.result.get("kl")
    told = {"kl": "?" if kl is None else f"{kl:.2f}", "most": f"{most:g}", "accuracy": ""}
    if round_.reward_run is not None:
        told["accuracy"] = accuracy_words(round_.reward_run)
    if kl is None or kl > most or run.checkpoint is None:
        words = _("Not promoted: KL %(kl)s nats per completion, and at most %(most)s is allowed.") % told
        end(round_, RetrainingState.DECLINED, words)
        return
    words = _("Promoted: %(accuracy)s; KL %(kl)s nats per completion, at most %(most)s allowed.") % told
    with transaction.atomic():
        if end(round_, RetrainingState.PROMOTED, words):
            checkpoints.promote(round_.campaign, run.checkpoint, None, words)


def accuracy_words(run: Run) -> str:
    """Return the held-out accuracy with its interval; the decision is on the accuracy itself."""
    low, high = run.result.get("accuracy_low"), run.result.get("accuracy_high")
    accuracy = f"{run.result.get('accuracy', 0):.1%}"
    if low is None or high is None:
        return _("held-out accuracy %(accuracy)s") % {"accuracy": accuracy}
    told = {"accuracy": accuracy, "low": f"{low:.1%}", "high": f"{high:.1%}"}
    return _("held-out accuracy %(accuracy)s (95 %% interval %(low)s to %(high)s)") % told


def end(round_: Retraining, state: RetrainingState, decision: str) -> bool:
    """End a round that is under way, with the decision in words; return whether this call did."""
    under_way = Retraining.objects.filter(pk=round_.pk, state__in=UNDER_WAY)
    return under_way.update(state=state, decision=decision, finished_at=timezone.now()) == 1


def end_if_lost(round_: Retraining) -> None:
    """End a round whose process died between taking a step and starting its run, or whose run is gone."""
    before = round_.reward_run.finished_at if round_.reward_run else None
    if timezone.now() - (before or round_.created_at) > STEP_LOST_AFTER:
        end(round_, RetrainingState.FAILED, _("The run of this round is gone."))


def _step(round_: Retraining, state: RetrainingState) -> bool:
    """Move a round on from the state it was read in; False if another beat did."""
    return Retraining.objects.filter(pk=round_.pk, state=round_.state).update(state=state) == 1
