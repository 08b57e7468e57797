"""Writing a rehearsal: its throwaway campaign with people and prompts, and taking all of it away again."""

import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.db import transaction

from annotate.actions import campaigns, checkpoints, execution, people, prompts
from annotate.models import (
    Campaign,
    Checkpoint,
    Completion,
    Demonstration,
    Kind,
    Promotion,
    Prompt,
    Ranking,
    Retraining,
    Role,
    Run,
    Snapshot,
    Split,
    User,
)

LONGEST_COMPLETION = 48


class Rehearsal(NamedTuple):
    """A throwaway campaign, and the people who label in it with their passwords."""

    campaign: Campaign
    labelers: list[tuple[User, str]]


def begin(name: str, training: Sequence[str], held_out: Sequence[str]) -> Rehearsal:
    """Make a campaign with two labelers and prompts of two authors, one of them held out."""
    with transaction.atomic():
        campaign = campaigns.create_campaign(
            None,
            name=name,
            k=4,
            is_rehearsal=True,
            prompts_per_author=None,
            max_completion_tokens=LONGEST_COMPLETION,
        )
        labelers = [people.invite(None, f"{name}-labeler-{number}", Role.LABELER) for number in (1, 2)]
        campaign.labelers.set([labeler for labeler, _password in labelers])
        campaigns.write_instructions(campaign, None, "Rank the shortest output first.")
        write_all(campaign, author(f"{name}-author-1", Split.TRAIN), training)
        write_all(campaign, author(f"{name}-author-2", Split.VALID), held_out)
    return Rehearsal(campaign, labelers)


def author(name: str, split: Split) -> User:
    person, _password = people.invite(None, name, Role.LABELER, secrets.token_urlsafe(24))
    person.split = split
    person.save(update_fields=["split"])
    return person


def write_all(campaign: Campaign, writer: User, texts: Sequence[str]) -> None:
    for text in texts:
        prompts.write_prompt(campaign, writer, Kind.PLAIN, [{"role": "user", "content": text}])


def remove(campaign: Campaign) -> None:
    """Delete a rehearsal's rows, people and folders; the audit entries stay."""
    assert campaign.is_rehearsal, "only a rehearsal is ever taken away"
    folders = folders_of(campaign)
    writers = User.objects.filter(prompts__campaign=campaign).values_list("pk", flat=True)
    members = [*campaign.labelers.values_list("pk", flat=True), *writers]
    with transaction.atomic():
        Ranking.objects.filter(prompt__campaign=campaign).delete()
        Demonstration.objects.filter(prompt__campaign=campaign).delete()
        Completion.objects.filter(prompt__campaign=campaign).delete()
        for noun in (Retraining, Run, Promotion, Snapshot, Prompt, Checkpoint):
            noun.objects.filter(campaign=campaign).delete()
        campaign.delete()
        User.objects.filter(pk__in=members).delete()
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
        Path(f"{folder}.lock").unlink(missing_ok=True)


def folders_of(campaign: Campaign) -> list[str]:
    """Return the folders that the campaign's runs and snapshots wrote."""
    names = [execution.name_of(run) for run in Run.objects.filter(campaign=campaign)]
    made = [str(checkpoints.folder() / name) for name in names]
    partial = [f"{path}.partial" for path in made]
    worked = [str(settings.DATA_DIR / "runs" / name) for name in names]
    snapshots = Snapshot.objects.filter(campaign=campaign).values_list("location", flat=True)
    return [*made, *partial, *worked, *snapshots]
