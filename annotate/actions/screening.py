"""Screening candidates: their demonstrations graded, their word on themselves, and what an admin decides."""

from django.db import transaction
from django.utils.translation import gettext as _

from annotate.actions.audit import record
from annotate.actions.campaigns import change_people
from annotate.actions.people import change_work
from annotate.errors import Invalid, Refused
from annotate.models import Campaign, Demonstration, Grade, ScreeningDecision, SelfAssessment, User

BEST_GRADE = 7
LONGEST_TEXT = 4000


def grade(demonstration: Demonstration, grader: User, grade: int) -> Grade:
    """Keep what a researcher thinks of a demonstration; their new grade takes the place of an old one."""
    if not 1 <= grade <= BEST_GRADE:
        raise Invalid(_("Grade: from 1 to 7."))
    if demonstration.labeler_id == grader.pk:
        raise Refused(_("Nobody grades their own demonstration."))
    given, _is_new = Grade.objects.update_or_create(
        demonstration=demonstration, grader=grader, defaults={"grade": grade}
    )
    return given


def assess_oneself(campaign: Campaign, labeler: User, text: str) -> SelfAssessment:
    """Keep for what topics and groups a candidate can judge; their new words take the place of old ones."""
    text = text.strip()
    if not text:
        raise Invalid(_("Your answer: name topics or groups, or say that there is none."))
    if len(text) > LONGEST_TEXT:
        raise Invalid(_("Your answer: at most %(limit)d characters.") % {"limit": LONGEST_TEXT})
    said, _is_new = SelfAssessment.objects.update_or_create(
        campaign=campaign, labeler=labeler, defaults={"text": text}
    )
    return said


@transaction.atomic
def decide(
    campaign: Campaign,
    actor: User,
    candidate: User,
    *,
    is_accepted: bool,
    joins: Campaign | None = None,
    note: str = "",
) -> ScreeningDecision:
    """Accept or decline a candidate.

    Whoever is accepted gets the qualification that the screening gives, and labels in the campaign that they
    join; whoever is declined loses both again.

    Raises:
        Invalid: nobody is a candidate by this name, the note is too long, or the campaign that they would
            join asks for a qualification that they lack all the same.
    """
    if not campaign.is_screening or not campaign.labelers.filter(pk=candidate.pk).exists():
        raise Invalid(_("%(name)s is no candidate of this campaign.") % {"name": candidate})
    if len(note) > LONGEST_TEXT:
        raise Invalid(_("Note: at most %(limit)d characters.") % {"limit": LONGEST_TEXT})
    joins = joins if is_accepted else None
    # Two decisions at once on one person are taken one after the other.
    candidate = User.objects.select_for_update(no_key=True).get(pk=candidate.pk)
    _qualify(campaign, actor, candidate, is_accepted=is_accepted)
    if joins is not None:
        _refuse_unqualified(joins, candidate)
        change_people(joins, actor, "labelers", added=[candidate])
    elif not is_accepted:
        _take_back(campaign, actor, candidate)
    decision = ScreeningDecision.objects.create(
        campaign=campaign,
        candidate=candidate,
        is_accepted=is_accepted,
        joins=joins,
        note=note.strip(),
        decided_by=actor,
    )
    verb = "accepted" if is_accepted else "declined"
    record(actor, verb, candidate, screening=campaign.name, joins=joins.name if joins else None, note=note)
    return decision


def _qualify(campaign: Campaign, actor: User, candidate: User, *, is_accepted: bool) -> None:
    """Give a candidate what the screening gives, or take it from them."""
    name = campaign.gives_qualification
    if name and is_accepted != (name in candidate.qualifications):
        others = [each for each in candidate.qualifications if each != name]
        change_work(candidate, actor, qualifications=[*others, name] if is_accepted else others)


def _refuse_unqualified(joins: Campaign, candidate: User) -> None:
    if joins.qualification and joins.qualification not in candidate.qualifications:
        words = _(
            "Labels in: %(campaign)s asks for the qualification “%(name)s”, which accepting does not give. "
            "Name it in this screening's settings, or give it to %(candidate)s first."
        )
        raise Invalid(words % {"campaign": joins, "name": joins.qualification, "candidate": candidate})


def _take_back(campaign: Campaign, actor: User, candidate: User) -> None:
    """Let a candidate no more label where an acceptance that is now declined let them in."""
    held = campaign.screening_decisions.filter(candidate=candidate).select_related("joins").first()
    if held is not None and held.joins is not None:
        change_people(held.joins, actor, "labelers", removed=[candidate])
