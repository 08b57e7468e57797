"""Taking prompts in: a campaign's rules applied as they are stored, each decision kept and reversible.

What comes with an answer is never set aside: people have worked on it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from django.db import connection, transaction
from django.db.models import Count, Min
from django.utils import timezone
from django.utils.translation import gettext as _

from annotate.actions.audit import record
from annotate.errors import Refused
from annotate.intake import length_of, prefix_hash
from annotate.jobs import ring_sampler
from annotate.models import (
    Campaign,
    ClaimState,
    Demonstration,
    IntakeDecision,
    Kind,
    Prompt,
    Ranking,
    Rule,
    Sampling,
    Split,
    User,
)
from annotate.personal_data import mask_messages

ALIKE_BY_DESIGN = (Kind.FEW_SHOT, Kind.DIALOGUE)
"""The prompts of one set of pairs, or of one dialogue, begin alike; they are compared as a whole."""
PROMPTS_AT_A_TIME = 2000
REKEY = """
UPDATE annotate_prompt AS prompt SET prefix_hash = said.hash
FROM unnest(%s::bigint[], %s::bigint[]) AS said (id, hash)
WHERE prompt.id = said.id
"""
# One statement, as all prompts of a file may be duplicates of each other.
LET_IN = """
WITH reversed AS (
    UPDATE annotate_intakedecision SET reversed_at = now()
    WHERE prompt_id = ANY(%s) AND reversed_at IS NULL AND rule <> %s RETURNING prompt_id, sampling
)
UPDATE annotate_prompt AS prompt SET sampling = reversed.sampling
FROM reversed WHERE prompt.id = reversed.prompt_id
"""


@transaction.atomic
def take_in(campaign: Campaign, prompts: Sequence[Prompt], *, answered: bool = False) -> None:
    """Store new prompts as the campaign's rules have them, and what the rules decided.

    Args:
        answered: each comes with an answer, so none is set aside.
    """
    decisions = decide(campaign, prompts, answered=answered)
    Prompt.objects.bulk_create(prompts)
    IntakeDecision.objects.bulk_create(decisions)


def decide(campaign: Campaign, prompts: Sequence[Prompt], *, answered: bool = False) -> list[IntakeDecision]:
    """Change prompts that are not stored yet as the rules want; the caller stores them, then these."""
    for prompt in prompts:
        prompt.prefix_hash = _hash(campaign, prompt.kind, prompt.messages)
    decisions = [] if answered else _set_aside(campaign, prompts)
    if campaign.mask_personal_data:
        masked = (_mask(campaign, prompt) for prompt in prompts if prompt.split == Split.TRAIN)
        decisions += [decision for decision in masked if decision]
    return decisions


def _hash(campaign: Campaign, kind: str, messages: list[dict[str, str]]) -> int | None:
    if campaign.duplicate_prefix is None:
        return None
    return prefix_hash(messages, None if kind in ALIKE_BY_DESIGN else campaign.duplicate_prefix)


def _set_aside(campaign: Campaign, prompts: Sequence[Prompt]) -> list[IntakeDecision]:
    """Set aside what is too long, begins like an earlier one or is its author's one too many."""
    first = _first_with(campaign, prompts)
    written = _written(campaign, prompts)
    decisions = []
    for prompt in prompts:
        # An earlier line of the same file has no key yet, so prompts are kept themselves.
        earlier = None if prompt.prefix_hash is None else first.get(prompt.prefix_hash)
        decision = _refusal(campaign, prompt, earlier, written[prompt.author_id])
        if decision:
            prompt.sampling = Sampling.SET_ASIDE
            decisions.append(decision)
            continue
        written[prompt.author_id] += 1
        if prompt.prefix_hash is not None:
            first[prompt.prefix_hash] = prompt
    return decisions


def _refusal(
    campaign: Campaign, prompt: Prompt, earlier: Prompt | None, written: int
) -> IntakeDecision | None:
    """Return the first rule's word against a prompt; None where every rule lets it in."""
    about = {"campaign": campaign, "prompt": prompt, "sampling": prompt.sampling}
    length = length_of(prompt.messages)
    if length > campaign.longest_prompt:
        detail = {"characters": length, "limit": campaign.longest_prompt}
        return IntakeDecision(**about, rule=Rule.TOO_LONG, detail=detail)
    if earlier is not None:
        return IntakeDecision(**about, rule=Rule.DUPLICATE, duplicate_of=earlier)
    limit = campaign.prompts_per_author
    if prompt.author_id and limit is not None and written >= limit:
        return IntakeDecision(**about, rule=Rule.AUTHOR_LIMIT, detail={"limit": limit})
    return None


def _first_with(campaign: Campaign, prompts: Sequence[Prompt]) -> dict[int, Prompt]:
    """Return the earliest prompt here with each of these prefixes; those set aside count for none."""
    hashes = [prompt.prefix_hash for prompt in prompts if prompt.prefix_hash is not None]
    here = Prompt.objects.filter(campaign=campaign, prefix_hash__in=hashes)
    here = here.exclude(sampling=Sampling.SET_ASIDE).order_by()
    first = here.values_list("prefix_hash").annotate(first=Min("pk"))
    return {prefix: Prompt(pk=pk) for prefix, pk in first if prefix is not None}


def _written(campaign: Campaign, prompts: Sequence[Prompt]) -> Counter[int | None]:
    """Return how many prompts each of these authors has here, what is set aside left out."""
    if campaign.prompts_per_author is None:
        return Counter()
    authors = {prompt.author_id for prompt in prompts if prompt.author_id}
    here = Prompt.objects.filter(campaign=campaign, author__in=authors).exclude(sampling=Sampling.SET_ASIDE)
    return Counter(dict(here.order_by().values_list("author").annotate(count=Count("pk"))))


def _mask(campaign: Campaign, prompt: Prompt) -> IntakeDecision | None:
    masked, found = mask_messages(prompt.messages)
    if not found:
        return None
    came, prompt.messages = prompt.messages, masked
    rule = Rule.PERSONAL_DATA
    return IntakeDecision(campaign=campaign, prompt=prompt, rule=rule, detail=dict(found), messages=came)


def rekey(campaign: Campaign) -> None:
    """Hash the beginnings of all prompts anew, after the campaign's number has changed."""
    rows = campaign.prompts.order_by("pk").values_list("pk", "kind", "messages")
    hashes: dict[int, int | None] = {}
    for pk, kind, messages in rows.iterator(PROMPTS_AT_A_TIME):
        hashes[pk] = _hash(campaign, kind, messages)
        if len(hashes) == PROMPTS_AT_A_TIME:
            _store(hashes)
            hashes = {}
    _store(hashes)


def _store(hashes: dict[int, int | None]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(REKEY, [list(hashes), list(hashes.values())])


@transaction.atomic
def reverse(decision: IntakeDecision, actor: User) -> None:
    """Let in what a rule set aside, or bring back the words that one masked; done already, nothing happens.

    Raises:
        Refused: people at the desk have answered the masked words.
    """
    decision, prompt = _lock(decision)
    if decision.reversed_at is not None:
        return
    if decision.masks:
        _refuse_answered(prompt)
        prompt.messages = decision.messages
    else:
        prompt.sampling = Sampling(decision.sampling)
    _keep(decision, prompt, actor, "reversed")


def let_in(answered: Iterable[Prompt]) -> None:
    """Let prompts in that were set aside, as a file has brought answers to them."""
    with connection.cursor() as cursor:
        cursor.execute(LET_IN, [[prompt.pk for prompt in answered], Rule.PERSONAL_DATA])


@transaction.atomic
def uphold(decision: IntakeDecision, actor: User) -> None:
    """Let a reversed decision stand again; if it stands, nothing happens.

    Raises:
        Refused: the prompt has been answered, or is being sampled.
    """
    decision, prompt = _lock(decision)
    if decision.reversed_at is None:
        return
    _refuse_answered(prompt)
    if decision.masks:
        prompt.messages, _found = mask_messages(prompt.messages)
    elif prompt.sampling == Sampling.RUNNING:
        raise Refused(_("This prompt is being sampled now; try again when that is done."))
    else:
        decision.sampling, prompt.sampling = prompt.sampling, Sampling.SET_ASIDE
    _keep(decision, prompt, actor, "upheld")


def _lock(decision: IntakeDecision) -> tuple[IntakeDecision, Prompt]:
    """Lock the prompt, then its decision."""
    prompt = Prompt.objects.select_for_update(no_key=True).get(pk=decision.prompt_id)
    return IntakeDecision.objects.select_for_update().get(pk=decision.pk), prompt


def _keep(decision: IntakeDecision, prompt: Prompt, actor: User, verb: str) -> None:
    is_reversed = verb == "reversed"
    decision.reversed_at = timezone.now() if is_reversed else None
    decision.reversed_by = actor if is_reversed else None
    decision.save(update_fields=["reversed_at", "reversed_by", "sampling"])
    prompt.save(update_fields=["messages", "sampling"])
    record(actor, verb, decision, prompt=prompt.pk, rule=decision.rule)
    if prompt.sampling == Sampling.QUEUED:
        ring_sampler()


def _refuse_answered(prompt: Prompt) -> None:
    """Refuse to change what people at the desk have judged; what came from a file was judged elsewhere."""
    for kind in (Ranking, Demonstration):
        given = kind._default_manager.filter(prompt=prompt, source_id="")
        if given.filter(state__in=[ClaimState.CLAIMED, ClaimState.SUBMITTED]).exists():
            raise Refused(_("People have worked on this prompt as it is, so it stays as it is."))
