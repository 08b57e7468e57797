"""Claims: each slot handed out once, leases that run out, drafts that stay."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from annotate.actions import answers, claims, demonstrations, rankings
from annotate.actions.rankings import Answer, Judgement
from annotate.errors import Invalid, Refused
from annotate.models import Campaign, ClaimState, Ranking, SkipKind, User
from tests.people import make_campaign, person
from tests.rows import make_prompt, sampled_prompt


def lapse(ranking: Ranking) -> None:
    Ranking.objects.filter(pk=ranking.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    claims.release_stale_claims()


def finish(ranking: Ranking) -> None:
    answers.submit(ranking, None, ())
    ranking.save()


def test_the_least_covered_prompt_comes_first_and_an_own_one_never(campaign: Campaign, lena: User) -> None:
    campaign.labelers_per_prompt = 2
    campaign.save()
    own = sampled_prompt(campaign, author=lena)
    covered = sampled_prompt(campaign)
    sampled_prompt(campaign)
    rankings.claim_prompt(covered, person("ingrid"))
    order = []
    while ranking := rankings.claim_next(campaign, lena):
        order.append(ranking.prompt_id)
        finish(ranking)
    assert order == [covered.pk + 1, covered.pk]
    assert rankings.left(campaign, lena) == 0
    assert rankings.claim_prompt(own, lena) is not None


def test_a_second_click_finds_the_first_claim(campaign: Campaign, lena: User) -> None:
    sampled_prompt(campaign)
    sampled_prompt(campaign)
    assert rankings.claim_next(campaign, lena) == rankings.claim_next(campaign, lena)
    assert Ranking.objects.count() == 1


def test_prompts_without_all_their_completions_are_not_ranked(campaign: Campaign, lena: User) -> None:
    make_prompt(campaign)
    assert rankings.claim_next(campaign, lena) is None


def test_each_labeler_sees_an_order_of_their_own(campaign: Campaign) -> None:
    campaign.labelers_per_prompt = 20
    campaign.save()
    prompt = sampled_prompt(campaign)
    orders = set()
    for number in range(20):
        ranking = rankings.claim_prompt(prompt, person(f"labeler-{number}"))
        assert ranking is not None
        orders.add(tuple(ranking.ranked_completions.values_list("completion__place", flat=True)))
    # The odds that 20 shuffles of 4 agree are 24 to the power of -19.
    assert len(orders) > 1


def test_a_lapsed_claim_frees_its_slot_and_keeps_its_draft(
    campaign: Campaign, lena: User, lars: User
) -> None:
    prompt = sampled_prompt(campaign)
    ranking = rankings.claim_prompt(prompt, lena)
    assert ranking is not None
    rankings.save_draft(ranking, Answer({"A": Judgement(rank=2)}, "half done"))
    lapse(ranking)
    ranking.refresh_from_db()
    assert (ranking.state, ranking.slot, ranking.notes) == (ClaimState.EXPIRED, None, "half done")
    assert rankings.claim_prompt(prompt, lars) is not None
    with pytest.raises(Refused, match="What you wrote is kept"):
        rankings.save_draft(ranking, Answer({}))


def test_coming_back_takes_a_lapsed_claim_up_again(campaign: Campaign, lena: User) -> None:
    sampled_prompt(campaign)
    first = rankings.claim_next(campaign, lena)
    assert first is not None
    lapse(first)
    sampled_prompt(campaign)
    again = rankings.claim_next(campaign, lena)
    assert again == first
    assert again.state == ClaimState.CLAIMED


def test_saving_a_draft_renews_the_lease(campaign: Campaign, lena: User) -> None:
    ranking = rankings.claim_prompt(sampled_prompt(campaign), lena)
    assert ranking is not None
    Ranking.objects.update(lease_until=timezone.now() + timedelta(seconds=1))
    rankings.save_draft(ranking, Answer({}))
    ranking.refresh_from_db()
    assert ranking.lease_until is not None
    assert ranking.lease_until > timezone.now() + timedelta(minutes=59)


def test_a_skipped_prompt_goes_to_others_with_its_reason(campaign: Campaign, lena: User, lars: User) -> None:
    prompt = sampled_prompt(campaign)
    ranking = rankings.claim_prompt(prompt, lena)
    assert ranking is not None
    with pytest.raises(Invalid, match="Reason"):
        answers.skip(ranking, SkipKind.OTHER, " ")
    answers.skip(ranking, SkipKind.LANGUAGE, "")
    assert rankings.claim_next(campaign, lena) is None
    assert rankings.claim_next(campaign, lars) is not None


def test_a_prompt_gets_one_demonstration_however_many_rank_it(
    campaign: Campaign, lena: User, lars: User
) -> None:
    campaign.labelers_per_prompt = 2
    campaign.save()
    make_prompt(campaign)
    assert demonstrations.claim_next(campaign, lena) is not None
    assert demonstrations.claim_next(campaign, lars) is None


@pytest.mark.django_db(transaction=True)
def test_twenty_labelers_at_once_never_share_a_slot() -> None:
    campaign = make_campaign(labelers_per_prompt=3)
    for _ in range(4):
        sampled_prompt(campaign)
    labelers = [person(f"labeler-{number}") for number in range(20)]

    def claim(labeler: User) -> Ranking | None:
        try:
            return rankings.claim_next(campaign, labeler)
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        taken = [ranking for ranking in pool.map(claim, labelers) if ranking]
    assert sorted(Counter(ranking.prompt_id for ranking in taken).values()) == [3, 3, 3, 3]
    assert len({(ranking.prompt_id, ranking.slot) for ranking in taken}) == 12


@pytest.mark.django_db(transaction=True)
def test_one_labeler_clicking_ten_times_at_once_gets_one_claim() -> None:
    campaign, ida = make_campaign(), person("ida")
    for _ in range(12):
        sampled_prompt(campaign)

    def claim(_: int) -> int | None:
        try:
            ranking = rankings.claim_next(campaign, ida)
            return ranking and ranking.pk
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        assert len(set(pool.map(claim, range(10)))) == 1
