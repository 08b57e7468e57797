"""Hidden checks: gold items and repeats come at a rate, count for nothing, and tell of their labeler."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from annotate import datasets
from annotate.actions import answers, claims, gold, hidden_checks, rankings
from annotate.actions.rankings import Answer, Judgement
from annotate.errors import Refused
from annotate.judged import agreement
from annotate.models import Campaign, ClaimState, GoldItem, Prompt, Purpose, Ranking, SkipKind, User
from annotate.progress import progress
from tests.annotate.api import Program
from tests.people import client_of
from tests.rows import sampled_prompt


def finish(ranking: Ranking | None, best_first: bool = True) -> Ranking:
    """Submit an order of the completions by their own numbers."""
    assert ranking is not None
    shown = ranking.ranked_completions.values_list("completion__place", flat=True)
    ranks = {"ABCD"[at]: place + 1 if best_first else 4 - place for at, place in enumerate(shown)}
    rankings.submit(ranking, Answer({letter: Judgement(rank, 4) for letter, rank in ranks.items()}))
    return Ranking.objects.get(pk=ranking.pk)


def checking(campaign: Campaign, **rates: int) -> Campaign:
    Campaign.objects.filter(pk=campaign.pk).update(**rates)
    campaign.refresh_from_db()
    return campaign


@pytest.fixture
def always_gold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hidden_checks, "drawn", lambda campaign: Purpose.GOLD)


@pytest.fixture
def always_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hidden_checks, "drawn", lambda campaign: Purpose.REPEAT)


def make_gold(campaign: Campaign, rosa: User, labeler: User, text: str = "Name a river.") -> GoldItem:
    return gold.mark(finish(rankings.claim_prompt(sampled_prompt(campaign, text), labeler)), rosa)


def test_a_rate_of_nothing_draws_nothing_and_half_about_half(campaign: Campaign) -> None:
    assert {hidden_checks.drawn(campaign) for _ in range(100)} == {None}
    checking(campaign, gold_percent=50, repeat_percent=50)
    # The odds that a kind is missing from 100 draws: 2 to the power of -99.
    assert {hidden_checks.drawn(campaign) for _ in range(100)} == {Purpose.GOLD, Purpose.REPEAT}


@pytest.mark.usefixtures("always_gold")
def test_each_gold_item_comes_once_and_holds_no_slot(
    campaign: Campaign, rosa: User, lena: User, lars: User
) -> None:
    items = [make_gold(campaign, rosa, lars) for _ in range(2)]
    given = [finish(rankings.claim_next(campaign, lena)) for _ in items]
    assert {one.prompt_id for one in given} == {item.prompt_id for item in items}
    assert {(one.purpose, one.slot) for one in given} == {("gold", None)}
    assert rankings.claim_next(campaign, lena) is None
    assert set(Prompt.objects.values_list("rankings_held", flat=True)) == {1}


@pytest.mark.usefixtures("always_gold")
def test_nobody_is_checked_by_their_own_prompt_or_their_own_ranking(
    campaign: Campaign, rosa: User, lena: User, lars: User
) -> None:
    own = sampled_prompt(campaign, author=lena)
    gold.mark(finish(rankings.claim_prompt(own, lars)), rosa)
    assert rankings.claim_next(campaign, lena) is None
    assert rankings.claim_next(campaign, lars) is None


@pytest.mark.usefixtures("always_gold")
def test_a_check_is_like_any_other_ranking_to_its_labeler(
    campaign: Campaign, rosa: User, lena: User, lars: User
) -> None:
    make_gold(campaign, rosa, lars)
    browser = client_of(lena)
    path = browser.post(f"/rank/{campaign.pk}").url
    page = browser.get(path).text
    assert "gold" not in page.lower() and "check by" not in page.lower()
    told = browser.post(f"/api/campaigns/{campaign.pk}/rankings/next")
    assert "purpose" not in told.text
    assert rankings.left(checking(campaign, gold_percent=5), lena) == 10


@pytest.mark.usefixtures("always_gold")
def test_a_check_that_lapsed_goes_on_though_its_prompt_is_full(
    campaign: Campaign, rosa: User, lena: User, lars: User
) -> None:
    make_gold(campaign, rosa, lars)
    ranking = rankings.claim_next(campaign, lena)
    assert ranking is not None
    rankings.save_draft(ranking, Answer({"A": Judgement(rank=2)}))
    Ranking.objects.filter(pk=ranking.pk).update(lease_until=timezone.now())
    claims.release_stale_claims()
    again = rankings.claim_next(campaign, lena)
    assert again == ranking and again.state == ClaimState.CLAIMED
    finish(again)
    answers.undo(again)
    answers.skip(again, SkipKind.UNCLEAR, "")
    assert rankings.claim_next(campaign, lena) is None


@pytest.mark.usefixtures("always_again")
def test_ones_own_comes_back_once_and_far_enough_back(campaign: Campaign, lena: User) -> None:
    checking(campaign, repeat_after_items=2)
    done = [finish(rankings.claim_prompt(sampled_prompt(campaign), lena)) for _ in range(2)]
    assert rankings.claim_next(campaign, lena) is None
    done += [finish(rankings.claim_prompt(sampled_prompt(campaign), lena)) for _ in range(2)]
    again = finish(rankings.claim_next(campaign, lena))
    assert (again.purpose, again.slot) == ("repeat", None)
    assert again.prompt_id in (done[0].prompt_id, done[1].prompt_id)
    for _ in range(4):
        if (more := rankings.claim_next(campaign, lena)) is not None:
            finish(more)
    repeated = Ranking.objects.filter(purpose="repeat").values_list("prompt", flat=True)
    assert len(repeated) == len(set(repeated)) > 1


@pytest.mark.usefixtures("always_again")
def test_a_review_does_not_come_back_as_a_repeat(campaign: Campaign, lena: User) -> None:
    checking(campaign, repeat_after_items=1)
    for _ in range(3):
        finish(rankings.claim_prompt(sampled_prompt(campaign), lena))
    Ranking.objects.update(is_review=True, slot=None)
    assert rankings.claim_next(campaign, lena) is None


@pytest.mark.usefixtures("always_again")
def test_a_repeat_waits_its_days(campaign: Campaign, lena: User) -> None:
    checking(campaign, repeat_after_items=1, repeat_after_days=7)
    for _ in range(3):
        finish(rankings.claim_prompt(sampled_prompt(campaign), lena))
    assert rankings.claim_next(campaign, lena) is None
    Ranking.objects.update(submitted_at=timezone.now() - timedelta(days=8))
    assert rankings.claim_next(campaign, lena) is not None


@pytest.mark.usefixtures("always_gold")
def test_checks_are_no_data(campaign: Campaign, rosa: User, lena: User, lars: User) -> None:
    make_gold(campaign, rosa, lars)
    finish(rankings.claim_next(campaign, lena))
    lines = [json.loads(line) for line in datasets.lines("rankings", datasets.of_campaign(campaign))]
    assert [line["labeler"] for line in lines] == ["lars"]
    so_far = progress(campaign)
    assert (so_far.rankings, so_far.rankings_wanted, so_far.comparisons) == (1, 1, 6)
    token_less = client_of(rosa).get(f"/api/campaigns/{campaign.pk}/rankings")
    assert token_less.status_code == 401
    assert agreement(campaign).rankings == 1


@pytest.mark.usefixtures("always_gold")
def test_checks_are_exported_when_asked_for_by_name(
    campaign: Campaign, rosa: User, lena: User, lars: User, ada: User, tmp_path: Path
) -> None:
    make_gold(campaign, rosa, lars)
    finish(rankings.claim_next(campaign, lena))
    call_command("export", "rankings", campaign=campaign.name, purpose="gold", out=tmp_path / "gold")
    client, path = client_of(ada), f"/campaigns/{campaign.pk}/data"
    page = client.get(f"{path}/rankings.jsonl?purpose=gold")
    told = b"".join(page.streaming_content)
    assert [json.loads(line)["labeler"] for line in told.splitlines()] == ["lena"]
    assert (tmp_path / "gold").read_bytes() == told
    api = f"campaigns/{campaign.pk}/exports/rankings?purpose="
    assert b"".join(Program(ada).get(f"{api}gold").streaming_content) == told
    assert b"".join(Program(ada).get(f"{api}repeat").streaming_content) == b""
    assert Program(ada).get(f"{api}all").status_code == 422
    assert "purpose=gold" in client.get(path).text


@pytest.mark.usefixtures("always_gold")
def test_accuracy_on_gold_and_none_before_ten_items(
    campaign: Campaign, rosa: User, lena: User, lars: User
) -> None:
    for number in range(10):
        assert agreement(campaign).gold_accuracy.value is None
        make_gold(campaign, rosa, lars, f"River {number}?")
        finish(rankings.claim_next(campaign, lena), best_first=number < 8)
    found = agreement(campaign)
    assert {one.labeler: (one.rankings, one.gold_accuracy.value) for one in found.labelers} == {
        "lars": (10, None),
        "lena": (0, 0.8),
    }
    page = client_of(rosa).get(f"/campaigns/{campaign.pk}/agreement").text
    assert "80.0%" in page


@pytest.mark.usefixtures("always_again")
def test_repeats_say_how_far_a_labeler_agrees_with_themselves(campaign: Campaign, lena: User) -> None:
    checking(campaign, repeat_after_items=1)
    for number in range(11):
        finish(rankings.claim_prompt(sampled_prompt(campaign, f"River {number}?"), lena))
    for number in range(10):
        Ranking.objects.filter(purpose="repeat").update(submitted_at=timezone.now() - timedelta(days=1))
        finish(rankings.claim_next(campaign, lena), best_first=number < 5)
    assert agreement(campaign).labelers[0].self_consistency.value == 0.5


def test_only_a_ranking_that_decides_something_can_be_gold(
    campaign: Campaign, rosa: User, lars: User
) -> None:
    ranking = rankings.claim_prompt(sampled_prompt(campaign), lars)
    assert ranking is not None
    with pytest.raises(Refused, match="Only a submitted ranking"):
        gold.mark(ranking, rosa)
    rankings.submit(ranking, Answer({letter: Judgement(1, 4) for letter in "ABCD"}))
    with pytest.raises(Refused, match="puts no completion before another"):
        gold.mark(Ranking.objects.get(pk=ranking.pk), rosa)


def test_what_comes_next_is_found_through_indexes(campaign: Campaign, lena: User) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        given = hidden_checks.handing_out.values(Ranking, campaign, lena) | {
            "until": timezone.now(),
            "items": 1,
        }
        query = hidden_checks.handing_out._named(Ranking, hidden_checks.REPEAT)
        cursor.execute("EXPLAIN " + query, given)
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Seq Scan" not in plan
