"""Writing campaigns: making one, changing its settings, its instructions and who labels in it."""

from collections.abc import Iterable
from typing import TypedDict, Unpack

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from annotate import asked
from annotate.actions import intake
from annotate.actions.audit import record
from annotate.actions.checkpoints import base_policy, promote
from annotate.errors import Invalid
from annotate.models import Campaign, Instructions, User

MAX_INSTRUCTIONS = 200_000
"""Characters; the paper's own instructions have about 13,000."""

LISTS = {
    "labelers": ("labelers", "changed members"),
    "held_out": ("held_out_labelers", "held out labelers"),
    "reviewers": ("reviewers", "changed reviewers"),
}
"""A campaign's lists of people: the field of each, and what the audit says where it changes."""


class CampaignSettings(TypedDict, total=False):
    """What a campaign can be told; what is left out keeps the model's default or its value."""

    name: str
    k: int
    labelers_per_prompt: int
    is_open: bool
    is_screening: bool
    gives_qualification: str
    is_rehearsal: bool
    use_cases: str
    qualification: str
    category_qualifications: str
    categories: str
    flags_left_out: list[str]
    own_flags: str
    prompt_flags_left_out: list[str]
    lease_minutes: int
    review_below: float | None
    gold_percent: int
    repeat_percent: int
    repeat_after_items: int
    repeat_after_days: int
    longest_prompt: int
    duplicate_prefix: int | None
    prompts_per_author: int | None
    mask_personal_data: bool
    max_completion_tokens: int
    temperature: float
    retrain_after_comparisons: int | None
    retrain_after_hours: int | None
    promote_min_accuracy: float
    promote_max_kl: float


def create_campaign(actor: User | None, **chosen: Unpack[CampaignSettings]) -> Campaign:
    """Add a campaign that begins with the base policy, where there is one.

    Raises:
        Invalid: a setting is out of range or the name is taken; the message names the field.
    """
    campaign = Campaign(created_by=actor, **chosen)
    refuse_bad_settings(campaign)
    with transaction.atomic():
        campaign.save(force_insert=True)
        record(actor, "created", campaign, name=campaign.name)
        base = base_policy()
        if base is not None:
            promote(campaign, base, actor, _("The base policy"))
    return campaign


def change_campaign(campaign: Campaign, actor: User, **chosen: Unpack[CampaignSettings]) -> None:
    """Change these settings and leave the others as they are."""
    prefix = campaign.duplicate_prefix
    for field, value in chosen.items():
        setattr(campaign, field, value)
    refuse_bad_settings(campaign)
    with transaction.atomic():
        campaign.save(update_fields=list(chosen))
        if campaign.duplicate_prefix != prefix:
            intake.rekey(campaign)
        record(actor, "changed", campaign, **chosen)


def write_instructions(campaign: Campaign, actor: User | None, text: str) -> Instructions:
    """Add a version of the instructions, or return the newest when it says the same already."""
    text = text.replace("\r\n", "\n").strip()
    if not text:
        raise Invalid(_("Instructions: write something; labelers read this before they judge."))
    if len(text) > MAX_INSTRUCTIONS:
        raise Invalid(_("Instructions: at most %(limit)d characters.") % {"limit": MAX_INSTRUCTIONS})
    with transaction.atomic():
        # The campaign's row is the lock: two people saving at once get two versions, not an error.
        Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
        newest = campaign.instructions.first()
        if newest is not None and newest.text == text:
            return newest
        version = newest.version + 1 if newest else 1
        written = Instructions.objects.create(campaign=campaign, version=version, text=text, created_by=actor)
        record(actor, "wrote instructions", campaign, version=version)
    return written


def people_in(campaign: Campaign) -> dict[str, QuerySet[User]]:
    """Return who stands in each of a campaign's LISTS."""
    return {listed: getattr(campaign, field).all() for listed, (field, _verb) in LISTS.items()}


def set_people(campaign: Campaign, actor: User, listed: str, people: Iterable[User]) -> None:
    """Make exactly these people those of a campaign's list. Who leaves keeps what they submitted."""
    wanted = set(people)
    with transaction.atomic():
        here = set(people_in(campaign)[listed])
        change_people(campaign, actor, listed, wanted - here, here - wanted)


def change_people(
    campaign: Campaign, actor: User, listed: str, added: Iterable[User] = (), removed: Iterable[User] = ()
) -> None:
    """Let people come to one of a campaign's LISTS or leave it; who else stands there stays.

    So two who change a list at once, from pages that show it as it was, do not undo each other.
    """
    field, verb = LISTS[listed]
    with transaction.atomic():
        people = getattr(campaign, field)
        here = set(people.all())
        came, left = set(added) - here, set(removed) & here
        people.add(*came)
        people.remove(*left)
        if came or left:
            record(actor, verb, campaign, added=_names(came), removed=_names(left))


def _names(people: Iterable[User]) -> list[str]:
    return sorted(person.username for person in people)


def refuse_bad_settings(campaign: Campaign) -> None:
    try:
        campaign.full_clean(exclude=["created_by"])
    except ValidationError as error:
        sentences = (f"{field}: {' '.join(words)}" for field, words in error.message_dict.items())
        raise Invalid(" ".join(sentences)) from error
    if problem := asked.wrong(campaign):
        raise Invalid(problem)
