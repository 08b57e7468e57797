"""Handing out: what a prompt counts is what claims hold, and the next one costs the same among many."""

import random
from collections import Counter
from contextlib import suppress

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotate.actions import answers, claims, demonstrations, rankings
from annotate.actions.rankings import Answer, Judgement
from annotate.errors import Refused
from annotate.models import Campaign, ClaimState, Demonstration, Prompt, Ranking, SkipKind, User
from tests.people import client_of, make_campaign, person
from tests.rows import make_prompt, sampled_prompt

ANSWER = Answer({letter: Judgement(rank=1, rating=4) for letter in "ABCD"})


def held(kind: type[Ranking] | type[Demonstration]) -> Counter[int]:
    return Counter(kind.objects.filter(slot__isnull=False).values_list("prompt_id", flat=True))


def counted(field: str) -> Counter[int]:
    return Counter(dict(Prompt.objects.values_list("pk", field)))


def step(dice: random.Random, labelers: list[User], campaign: Campaign) -> None:
    """Do one thing that a labeler or the clock could do next."""
    rankings.claim_next(campaign, dice.choice(labelers))
    ranking = dice.choice(Ranking.objects.all())
    verbs = {
        "submit": lambda: rankings.submit(ranking, ANSWER),
        "undo": lambda: answers.undo(ranking),
        "skip": lambda: answers.skip(ranking, SkipKind.UNCLEAR, ""),
        "draft": lambda: rankings.save_draft(ranking, Answer({})),
        "lapse": lambda: Ranking.objects.filter(state=ClaimState.CLAIMED).update(lease_until=timezone.now()),
        "release": claims.release_stale_claims,
        "delete": lambda: ranking.delete(),
    }
    with suppress(Refused):
        verbs[dice.choice([*verbs, "submit", "skip"])]()


@pytest.mark.parametrize("seed", range(3))
def test_what_a_prompt_counts_is_what_its_rankings_hold(campaign: Campaign, seed: int) -> None:
    campaign.labelers_per_prompt = 2
    campaign.save()
    for _ in range(4):
        sampled_prompt(campaign)
    dice, labelers = random.Random(seed), [person(f"labeler-{number}") for number in range(4)]
    for _ in range(40):
        step(dice, labelers, campaign)
        assert counted("rankings_held") == held(Ranking)
        assert max(counted("rankings_held").values()) <= 2


def test_a_demonstration_counts_apart_from_rankings(campaign: Campaign, lena: User, lars: User) -> None:
    sampled_prompt(campaign)
    rankings.claim_next(campaign, lars)
    demonstration = demonstrations.claim_next(campaign, lena)
    assert demonstration is not None
    assert counted("demonstrations_held") == held(Demonstration)
    answers.skip(demonstration, SkipKind.UNCLEAR, "")
    assert counted("demonstrations_held").total() == 0
    assert counted("rankings_held").total() == 1


def test_rows_written_at_once_are_counted_too(campaign: Campaign) -> None:
    prompts = [make_prompt(campaign), make_prompt(campaign)]
    told = {"state": ClaimState.SUBMITTED, "submitted_at": timezone.now()}
    rows = [Ranking(prompt=prompt, slot=slot, **told) for prompt in prompts for slot in range(3)]
    Ranking.objects.bulk_create(rows)
    assert set(counted("rankings_held").values()) == {3}


def queries_of(path: str, user: User, form: dict[str, str]) -> int:
    client = client_of(user)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert client.post(path, form, headers={"HX-Request": "true"}).status_code == 200
    return len(queries)


@pytest.mark.parametrize("verb", ["ahead", "submit"])
def test_an_item_costs_the_same_queries_among_few_and_many(lena: User, lars: User, verb: str) -> None:
    form = {f"{word}-{letter}": "1" for letter in "ABCD" for word in ("rank", "rating")}
    costs = []
    for count in (3, 30):
        campaign = make_campaign(f"{count} prompts", labelers_per_prompt=2)
        campaign.labelers.set([lena, lars])
        for _ in range(count):
            sampled_prompt(campaign)
        for _ in range(count // 2):
            done = rankings.claim_next(campaign, lars)
            assert done is not None
            rankings.submit(done, ANSWER)
        ranking = rankings.claim_next(campaign, lena)
        assert ranking is not None
        costs.append(queries_of(f"/rankings/{ranking.pk}/{verb}", lena, form))
    assert costs[0] == costs[1] <= 14
