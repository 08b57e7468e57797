"""Writing suggestions: asked for by one person, written by the campaign's policy, taken up or not.

A suggestion goes QUEUED -> RUNNING (held under a lease) -> DONE or FAILED, as the sampling of a prompt
does; a worker that dies leaves its lease to run out, and the suggestion is taken again.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from annotate.actions.prompts import Messages
from annotate.errors import Refused
from annotate.jobs import ring_sampler
from annotate.models import Campaign, Checkpoint, Prompt, Suggestion, SuggestionState, User, current_policy

LEASE = timedelta(seconds=60)
MAX_ATTEMPTS = 3
BATCH = 8
MOST_AN_HOUR = 200
"""Suggestions that one person may ask for: more than anyone reads."""
UNFINISHED = (SuggestionState.QUEUED, SuggestionState.RUNNING)


@transaction.atomic
def ask(
    campaign: Campaign,
    person: User,
    messages: Messages,
    role: str = "assistant",
    prompt: Prompt | None = None,
) -> Suggestion:
    """Ask what the policy would say next, or return the same question that is still unanswered.

    Raises:
        Refused: the campaign has no policy, or this person has asked too often within the hour.
    """
    if current_policy(campaign) is None:
        raise Refused(_("This campaign has no policy yet that could write; a researcher promotes one."))
    # Two clicks come one after the other, so that the second finds the first one's question.
    User.objects.select_for_update(no_key=True).get(pk=person.pk)
    same = asked(campaign, person, messages, role, prompt)
    if unfinished := same.filter(state__in=UNFINISHED).first():
        return unfinished
    refuse_too_many(person)
    suggestion = Suggestion.objects.create(
        campaign=campaign, asked_by=person, messages=messages, role=role, prompt=prompt
    )
    ring_sampler()
    return suggestion


def asked(
    campaign: Campaign, person: User, messages: Messages, role: str, prompt: Prompt | None = None
) -> QuerySet[Suggestion]:
    """Return what this person has asked at this point of a conversation and put in no dialogue yet."""
    return Suggestion.objects.filter(
        campaign=campaign, asked_by=person, messages=messages, role=role, prompt=prompt, dialogueturn=None
    )


def own(person: User, prompt: Prompt) -> QuerySet[Suggestion]:
    """Return what this person has asked for their demonstration of a prompt."""
    return Suggestion.objects.filter(asked_by=person, prompt=prompt)


def refuse_too_many(person: User) -> None:
    hour_ago = timezone.now() - timedelta(hours=1)
    if Suggestion.objects.filter(asked_by=person, created_at__gt=hour_ago).count() >= MOST_AN_HOUR:
        raise Refused(
            _("You have asked %(limit)d times within an hour; go on without a suggestion for a while.")
            % {"limit": MOST_AN_HOUR}
        )


@transaction.atomic
def claim_batch() -> list[Suggestion]:
    """Take some queued suggestions of the campaign that has waited longest, its row loaded with each.

    Nobody else gets the same rows (SKIP LOCKED).
    """
    rows = Suggestion.objects.select_for_update(skip_locked=True, of=("self",)).select_related("campaign")
    queued = rows.filter(state=SuggestionState.QUEUED)
    first = queued.first()
    batch = list(queued.filter(campaign=first.campaign)[:BATCH]) if first else []
    Suggestion.objects.filter(pk__in=[suggestion.pk for suggestion in batch]).update(
        state=SuggestionState.RUNNING,
        reason="",
        attempts=F("attempts") + 1,
        lease_until=timezone.now() + LEASE,
    )
    return batch


def seed_of(suggestion: Suggestion) -> int:
    """Return its seed: the same in every attempt, another one each time that someone asks."""
    return suggestion.pk % 2**31


def renew_leases(batch: Sequence[Suggestion]) -> None:
    """Keep holding suggestions that are being written."""
    _running(batch).update(lease_until=timezone.now() + LEASE)


def store(
    suggestion: Suggestion,
    *,
    policy: Checkpoint,
    text: str,
    token_count: int,
    finish_reason: str,
    engine: str,
) -> None:
    """End a suggestion with its text; one without a word has failed."""
    # PostgreSQL's text cannot hold NUL, which a model can say.
    written = text.replace("\x00", "").strip()
    _running([suggestion]).update(
        state=SuggestionState.DONE if written else SuggestionState.FAILED,
        reason="" if written else _("The policy had nothing to say here. Asking again may help."),
        policy=policy,
        text=written,
        token_count=token_count,
        finish_reason=finish_reason,
        engine=engine[:100],
        lease_until=None,
        finished_at=timezone.now(),
    )


def fail(suggestion: Suggestion, reason: str) -> None:
    """End a suggestion for a reason that trying again would not change."""
    _fail(_running([suggestion]), reason)


def give_back(batch: Sequence[Suggestion]) -> None:
    """Queue held suggestions again unblamed: the worker is stopping."""
    _running(batch).update(state=SuggestionState.QUEUED, lease_until=None, attempts=F("attempts") - 1)


def put_back(batch: Sequence[Suggestion], reason: str) -> None:
    """Queue held suggestions again after a failed attempt; at the third they FAIL with the reason."""
    _queue_again(_running(batch), reason)


def release_lost() -> int:
    """Queue suggestions again whose worker let the lease run out; return how many were found."""
    lost = Suggestion.objects.filter(state=SuggestionState.RUNNING, lease_until__lt=timezone.now())
    return _queue_again(lost, _("The sampling worker stopped in the middle."))


def is_anything_waiting() -> bool:
    return Suggestion.objects.filter(state=SuggestionState.QUEUED).exists()


def _running(batch: Iterable[Suggestion]) -> QuerySet[Suggestion]:
    return Suggestion.objects.filter(pk__in=[each.pk for each in batch], state=SuggestionState.RUNNING)


def _fail(suggestions: QuerySet[Suggestion], reason: str) -> int:
    return suggestions.update(
        state=SuggestionState.FAILED, reason=reason, lease_until=None, finished_at=timezone.now()
    )


def _queue_again(suggestions: QuerySet[Suggestion], reason: str) -> int:
    failed = _fail(suggestions.filter(attempts__gte=MAX_ATTEMPTS), reason)
    return failed + suggestions.update(state=SuggestionState.QUEUED, lease_until=None, reason=reason)
