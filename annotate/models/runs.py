"""Runs: jobs of the learning side, their states and metrics, and the rounds of retraining they belong to."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from annotate.models.campaigns import Campaign
from annotate.models.checkpoints import Checkpoint
from annotate.models.snapshots import Snapshot


class Stage(models.TextChoices):
    SFT = "sft", _("Supervised fine-tuning (SFT)")
    REWARD = "reward", _("Reward model")
    PPO = "ppo", _("PPO")
    EVALUATE = "evaluate", _("Evaluation")


class RunState(models.TextChoices):
    """QUEUED and RUNNING are alive; the other three are ends."""

    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Running")
    SUCCEEDED = "succeeded", _("Succeeded")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


# What the trainer writes as its phase.
PHASES = {
    "measuring accuracy": _("measuring accuracy"),
    "sampling": _("sampling"),
    "starting the engine": _("starting the engine"),
}


class Run(models.Model):
    """One job: a stage, its checked config, what it reads, and what came of it."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="runs")
    stage = models.CharField(max_length=20, choices=Stage.choices)
    preset = models.CharField(max_length=20, default="small")
    config = models.JSONField(default=dict)
    # What it reads.
    snapshot = models.ForeignKey(
        Snapshot, null=True, blank=True, on_delete=models.PROTECT, related_name="runs"
    )
    policy = models.ForeignKey(Checkpoint, null=True, on_delete=models.PROTECT, related_name="runs_from")
    reward_model = models.ForeignKey(
        Checkpoint, null=True, blank=True, on_delete=models.PROTECT, related_name="runs_scored"
    )
    second_judge = models.ForeignKey(
        Checkpoint, null=True, blank=True, on_delete=models.PROTECT, related_name="runs_judged_too"
    )
    pretraining = models.CharField(max_length=200, blank=True, default="")
    # What came of it.
    checkpoint = models.OneToOneField(
        Checkpoint, null=True, blank=True, on_delete=models.SET_NULL, related_name="made_by"
    )
    result = models.JSONField(default=dict, blank=True)
    # How it goes.
    state = models.CharField(max_length=10, choices=RunState.choices, default=RunState.QUEUED)
    reason = models.TextField(blank=True, default="")
    step = models.PositiveIntegerField(default=0)
    total_steps = models.PositiveIntegerField(null=True, blank=True)
    phase = models.CharField(max_length=100, blank=True, default="")
    log_tail = models.TextField(blank=True, default="")
    attempts = models.PositiveSmallIntegerField(default=0)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    # A run in the foreground (`start_run --here`) is never handed to a worker.
    is_foreground = models.BooleanField(default=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(stage__in=Stage.values), name="run_stage_known"),
            models.CheckConstraint(condition=Q(state__in=RunState.values), name="run_state_known"),
            models.CheckConstraint(
                condition=Q(state__in=["queued", "running"], finished_at__isnull=True)
                | Q(state__in=["succeeded", "failed", "cancelled"], finished_at__isnull=False),
                name="run_finished_has_time",
            ),
        ]
        indexes = [
            models.Index(fields=["state"], condition=Q(state__in=["queued", "running"]), name="run_alive")
        ]

    def __str__(self) -> str:
        return f"{self.get_stage_display()} {self.pk}"

    @property
    def phase_words(self) -> str:
        """Return what the trainer does now, in the reader's language where the words are known."""
        return str(PHASES.get(self.phase, self.phase))

    @property
    def is_alive(self) -> bool:
        return self.state in (RunState.QUEUED, RunState.RUNNING)

    @property
    def headline(self) -> str:
        """Return the result in one sentence, empty where there is none."""
        said = self.result
        if said.get("accuracy_low") is not None:
            words = _(
                "held-out accuracy %(accuracy).3f, 95 %% interval %(accuracy_low).3f to %(accuracy_high).3f"
            )
        elif said.get("score_low") is not None:
            words = _("score %(score).2f, 95 %% interval %(score_low).2f to %(score_high).2f")
        elif "kl" in said and "score" in said:
            words = _("KL %(kl).2f, score %(score).2f")
        elif said.get("valid_loss") is not None:
            words = _("held-out loss %(valid_loss).3f")
        else:
            return ""
        sentence: str = str(words) % said
        if said.get("length_balanced_accuracy") is not None:
            balanced = _("%(sentence)s; %(accuracy).3f where longer and shorter answers won equally often")
            return balanced % {"sentence": sentence, "accuracy": said["length_balanced_accuracy"]}
        return sentence


class RunMetric(models.Model):
    """What a run said at one step: names to numbers."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="metrics")
    step = models.PositiveIntegerField()
    values = models.JSONField()

    class Meta:
        ordering = ["step"]
        constraints = [models.UniqueConstraint(fields=["run", "step"], name="run_metric_step_once")]

    def __str__(self) -> str:
        return f"{self.run_id} step {self.step}"


class RetrainingState(models.TextChoices):
    """REWARD and PPO are under way; the other three are ends."""

    REWARD = "reward", _("Training the reward model")
    PPO = "ppo", _("Training the policy")
    PROMOTED = "promoted", _("Promoted")
    DECLINED = "declined", _("Not promoted")
    FAILED = "failed", _("Failed")


class Retraining(models.Model):
    """One round: why it was due, its two runs, and what was decided on the held-out numbers."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="retrainings")
    state = models.CharField(max_length=10, choices=RetrainingState.choices, default=RetrainingState.REWARD)
    due_because = models.CharField(max_length=300)
    comparisons = models.PositiveIntegerField(default=0)
    reward_run = models.OneToOneField(
        Run, null=True, on_delete=models.SET_NULL, related_name="retraining_reward"
    )
    ppo_run = models.OneToOneField(
        Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="retraining_ppo"
    )
    decision = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            # Two beats at once cannot start two rounds.
            models.UniqueConstraint(
                fields=["campaign"], condition=Q(state__in=["reward", "ppo"]), name="retraining_one_at_a_time"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.campaign}: {self.state}"


class EngineStatus(models.Model):
    """What the sampling worker samples with, as it last said; the pages show it."""

    worker = models.CharField(max_length=200, unique=True)
    engine = models.CharField(max_length=100)
    reason = models.CharField(max_length=500, blank=True, default="")
    seen_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.worker}: {self.engine}"
