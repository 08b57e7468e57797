"""Writing checkpoints: adding one that a run made, preparing the base policy, promoting a policy."""

import fcntl
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypedDict

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from annotate.actions.audit import record
from annotate.errors import Refused
from annotate.jobs import ring_sampler
from annotate.models import (
    Campaign,
    Checkpoint,
    CheckpointKind,
    PolicyShare,
    Promotion,
    Prompt,
    Run,
    Sampling,
    User,
    current_policy,
)


def folder() -> Path:
    """Return where this installation's checkpoints lie."""
    path: Path = settings.DATA_DIR / "checkpoints"
    path.mkdir(parents=True, exist_ok=True)
    return path


class Sample(TypedDict):
    """A completion to look at, with the last message of its prompt."""

    prompt: str
    completion: str


def add(run: Run, kind: str, location: Path, samples: Sequence[Sample] = ()) -> Checkpoint:
    """Add the checkpoint that a run made; its parent is the checkpoint the run began from."""
    return Checkpoint.objects.create(
        kind=kind,
        name=f"{run.stage} {run.pk}",
        campaign=run.campaign,
        parent=run.policy,
        stage=run.stage,
        location=str(location),
        summary={**run.result, "samples": list(samples)},
    )


def promote(campaign: Campaign, policy: Checkpoint, actor: User | None, reason: str) -> Promotion:
    """Make a policy the campaign's current one; promoting an earlier one again is how to go back.

    Raises Refused for a reward model, another campaign's policy, or one that no worker can load.
    """
    refuse_unfit(campaign, policy)
    with transaction.atomic():
        Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
        if current_policy(campaign) == policy:
            raise Refused(_("%(policy)s is the current policy already.") % {"policy": policy})
        promotion = Promotion.objects.create(
            campaign=campaign, policy=policy, reason=reason[:300], promoted_by=actor
        )
        waiting = Prompt.objects.filter(campaign=campaign, sampling=Sampling.QUEUED)
        waiting.exclude(sampling_reason="").update(sampling_reason="")
        record(actor, "promoted", policy, campaign=campaign.pk, reason=reason)
        ring_sampler()
    return promotion


def set_policy_shares(campaign: Campaign, actor: User, shares: Mapping[Checkpoint, int]) -> None:
    """Have exactly these policies answer prompts besides the current one, each with its percent.

    Raises:
        Refused: one is unfit or the current one, or a percent or their sum is not from 1 to 100.
    """
    current, together = current_policy(campaign), sum(shares.values())
    for policy, percent in shares.items():
        refuse_unfit(campaign, policy)
        if policy == current:
            problem = _("%(policy)s is the current policy: it gets what the others leave.")
            raise Refused(problem % {"policy": policy})
        if not 1 <= percent <= 100:
            raise Refused(_("%(policy)s: a share is from 1 to 100 percent.") % {"policy": policy})
    if together > 100:
        raise Refused(_("The shares are %(sum)d percent together; at most 100.") % {"sum": together})
    with transaction.atomic():
        Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
        campaign.policy_shares.all().delete()
        PolicyShare.objects.bulk_create(
            PolicyShare(campaign=campaign, policy=policy, percent=percent)
            for policy, percent in shares.items()
        )
        named = {policy.name: percent for policy, percent in shares.items()}
        record(actor, "shared sampling", campaign, shares=named)


def refuse_unfit(campaign: Campaign, policy: Checkpoint) -> None:
    if policy.kind != CheckpointKind.POLICY:
        raise Refused(_("%(policy)s is a reward model; only a policy can be promoted.") % {"policy": policy})
    if policy.campaign_id not in (None, campaign.pk):
        raise Refused(_("%(policy)s belongs to another campaign.") % {"policy": policy})
    if not policy.location:
        raise Refused(
            _("%(policy)s is known by name only: it came from an imported file and has no weights here.")
            % {"policy": policy}
        )


def base_policy() -> Checkpoint | None:
    """Return the shared policy that campaigns begin with, None before it is prepared."""
    rows = Checkpoint.objects.filter(kind=CheckpointKind.POLICY, stage="base", campaign=None)
    return rows.exclude(location="").first()


def ensure_base_policy(say: Callable[[str], None] = lambda line: None) -> Checkpoint:
    """Return the base policy that PODIUM_BASE names, preparing its folder if it is not there yet.

    Takes seconds for the packaged model, and needs the learning side installed. Raises Refused with the
    trainer's own words when it cannot be had.
    """
    base = settings.PODIUM_BASE
    name = base_name(base)
    location = folder() / name
    with (folder() / f"{name}.preparing").open("w") as lock:
        # One of several commands at once prepares it; the others wait and find it there.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not location.exists():
            say(_("Preparing the base policy (%(base)s) ...") % {"base": base})
            prepare(base, location)
    checkpoint, _made = Checkpoint.objects.update_or_create(
        kind=CheckpointKind.POLICY,
        name=name,
        campaign=None,
        defaults={"stage": "base", "location": str(location)},
    )
    return checkpoint


def base_name(base: str) -> str:
    """Return a folder's name for a base: base-packaged, base-Qwen3-0.6B."""
    return f"base-{Path(base).name or 'policy'}"


def prepare(base: str, location: Path) -> None:
    command = [sys.executable, "-m", "trainer", "prepare", "--base", base, "--out", str(location)]
    done = subprocess.run(
        command, cwd=settings.BASE_DIR, stderr=subprocess.PIPE, text=True, errors="replace", check=False
    )
    if done.returncode != 0:
        words = done.stderr.strip().splitlines() or [_("it said nothing")]
        raise Refused(
            _("The base policy %(base)s could not be prepared: %(words)s")
            % {"base": base, "words": words[-1].removeprefix("error: ")}
        )


def adopt_base(campaign: Campaign, say: Callable[[str], None] = lambda line: None) -> Checkpoint:
    """Return the campaign's current policy, promoting the base policy first where there is none."""
    policy = current_policy(campaign)
    if policy is None:
        policy = ensure_base_policy(say)
        promote(campaign, policy, None, _("The base policy"))
    return policy
