"""Ranking: claiming, drafting, submitting and skipping over HTTP."""

import pytest
from django.test import Client
from django.utils import timezone

from annotate.actions import rankings
from annotate.models import Campaign, ClaimState, Flag, Ranking, User
from tests.people import client_of, person
from tests.rows import POLICY_NAME, sampled_prompt

WHOLE = {
    f"{name}-{letter}": value
    for letter, value in zip("ABCD", "2142", strict=True)
    for name in ("rank", "rating")
}


@pytest.fixture
def ranking(campaign: Campaign, lena: User) -> Ranking:
    sampled_prompt(campaign, "Name a <b>river</b>.")
    claimed = rankings.claim_next(campaign, lena)
    assert claimed is not None
    return claimed


@pytest.fixture
def client(lena: User) -> Client:
    return client_of(lena)


def ranks(ranking: Ranking) -> list[int | None]:
    return list(ranking.ranked_completions.values_list("rank", flat=True))


def test_it_claims_the_next_prompt_by_post_alone(campaign: Campaign, lena: User) -> None:
    sampled_prompt(campaign)
    client = client_of(lena)
    assert client.get(f"/rank/{campaign.pk}").status_code == 405
    answer = client.post(f"/rank/{campaign.pk}")
    assert answer["Location"] == f"/rankings/{Ranking.objects.get().pk}"


def test_it_goes_home_when_nothing_is_left(campaign: Campaign, lena: User) -> None:
    answer = client_of(lena).post(f"/rank/{campaign.pk}", follow=True)
    assert "Nothing is left to rank in Helpful answers" in answer.content.decode()


def test_the_page_shows_every_output_and_never_the_policy(client: Client, ranking: Ranking) -> None:
    page = client.get(f"/rankings/{ranking.pk}").content.decode()
    for letter in "ABCD":
        assert f'aria-label="Output {letter}"' in page
    for flag in Flag.values:
        assert page.count(f'type="checkbox" value="{flag}"') == 1, (
            "a flag is asked once, and copied per output"
        )
    assert "Name a &lt;b&gt;river&lt;/b&gt;." in page
    assert POLICY_NAME not in page


def test_it_submits_an_answer_and_goes_on(client: Client, ranking: Ranking) -> None:
    sent = {
        **WHOLE,
        "flags-B": ["hallucination", "opinion"],
        "notes-B": "Made up.",
        "notes": "Hard.",
        "seconds": "0",
    }
    answer = client.post(f"/rankings/{ranking.pk}/submit", sent)
    assert answer["Location"] == "/"
    ranking.refresh_from_db()
    assert (ranking.state, ranking.notes, ranking.lease_until) == (ClaimState.SUBMITTED, "Hard.", None)
    assert ranks(ranking) == [2, 1, 4, 2]
    second = ranking.ranked_completions.get(place=1)
    assert (second.rating, second.flags, second.notes) == (1, ["hallucination", "opinion"], "Made up.")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rank-C": ""}, "Output C has no rank."),
        ({"rating-A": ""}, "Output A has no rating."),
        ({"rank-A": "5"}, "Output A: its rank must be from 1 to 4."),
        ({"rank-A": "0"}, "Output A: its rank must be from 1 to 4."),
        ({"rank-E": "1"}, "Output E is not in this ranking."),
        ({"rating-D": "8"}, "Output D: its rating must be from 1 to 7."),
        ({"flags-D": "smells"}, "Output D: there is no flag “smells”."),
        ({"notes": "x" * 4001}, "Notes: at most 4000 characters."),
    ],
)
def test_a_wrong_answer_is_refused_whole_and_shown_again(
    client: Client, ranking: Ranking, change: dict[str, str], message: str
) -> None:
    answer = client.post(f"/rankings/{ranking.pk}/submit", {**WHOLE, "notes-B": "Kept words", **change})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert message in page
    assert "Kept words" in page
    ranking.refresh_from_db()
    assert ranking.state == ClaimState.CLAIMED
    assert ranks(ranking) == [None] * 4


@pytest.mark.parametrize(
    "change", [{"rank-A": "first"}, {"rating-A": "1.5"}, {"seconds": "nan"}, {"rank-A": "9" * 30}]
)
def test_what_is_no_number_is_refused(client: Client, ranking: Ranking, change: dict[str, str]) -> None:
    for way in ("submit", "draft"):
        answer = client.post(f"/rankings/{ranking.pk}/{way}", {**WHOLE, **change})
        assert answer.status_code == 422
        assert next(iter(change)) in answer.content.decode()
    assert ranks(ranking) == [None] * 4


def test_a_draft_may_lack_anything_but_not_be_wrong(client: Client, ranking: Ranking) -> None:
    url = f"/rankings/{ranking.pk}/draft"
    assert client.post(url, {"rank-B": "3", "notes-A": "a\x00b"}).status_code == 204
    assert ranks(ranking) == [None, 3, None, None]
    assert ranking.ranked_completions.get(place=0).notes == "ab"
    answer = client.post(url, {"rank-B": "7"}, headers={"HX-Request": "true"})
    assert answer.status_code == 422
    assert "<html" not in answer.content.decode()
    assert ranks(ranking) == [None, 3, None, None]


def test_the_same_submit_twice_changes_nothing(client: Client, ranking: Ranking) -> None:
    url = f"/rankings/{ranking.pk}/submit"
    client.post(url, WHOLE)
    before = Ranking.objects.get().submitted_at
    assert client.post(url, WHOLE).status_code == 302
    assert Ranking.objects.get().submitted_at == before


def test_an_answer_changes_until_a_snapshot_has_read_it(client: Client, ranking: Ranking) -> None:
    url = f"/rankings/{ranking.pk}/submit"
    client.post(url, WHOLE)
    assert client.post(url, {**WHOLE, "rank-A": "1"}).status_code == 302
    assert ranks(ranking) == [1, 1, 4, 2]
    Ranking.objects.update(frozen_at=timezone.now())
    answer = client.post(url, WHOLE)
    assert answer.status_code == 409
    assert "part of a snapshot" in answer.content.decode()
    assert ranks(ranking) == [1, 1, 4, 2]
    assert client.post(url, {**WHOLE, "rank-A": "1"}).status_code == 302


def test_a_late_draft_does_not_undo_a_submit(client: Client, ranking: Ranking) -> None:
    client.post(f"/rankings/{ranking.pk}/submit", WHOLE)
    assert client.post(f"/rankings/{ranking.pk}/draft", {"rank-A": "3"}).status_code == 409
    assert ranks(ranking) == [2, 1, 4, 2]


def test_a_claim_that_ran_out_and_was_taken_still_shows_what_was_typed(
    client: Client, ranking: Ranking, lars: User
) -> None:
    Ranking.objects.update(state=ClaimState.EXPIRED, slot=None, lease_until=None)
    rankings.claim_prompt(ranking.prompt, lars)
    answer = client.post(f"/rankings/{ranking.pk}/submit", {**WHOLE, "notes": "Kept words"})
    assert answer.status_code == 409
    assert "Kept words" in answer.content.decode()


def test_skipping_takes_a_reason_and_a_skipped_prompt_can_be_taken_up_again(
    client: Client, ranking: Ranking
) -> None:
    url = f"/rankings/{ranking.pk}/skip"
    for unsaid in ({"reason": "Unclear."}, {"kind": "other"}, {"kind": "mood", "reason": "Bad."}):
        assert client.post(url, unsaid).status_code == 422
    client.post(url, {"kind": "unclear", "reason": " Which river? "})
    ranking.refresh_from_db()
    assert (ranking.state, ranking.slot) == (ClaimState.SKIPPED, None)
    assert (ranking.skip_kind, ranking.skip_reason) == ("unclear", "Which river?")
    client.post(f"/rankings/{ranking.pk}/submit", WHOLE)
    ranking.refresh_from_db()
    assert (ranking.state, ranking.slot) == (ClaimState.SUBMITTED, 0)


def test_nobody_else_reads_or_writes_a_ranking(
    campaign: Campaign, ranking: Ranking, lars: User, ada: User
) -> None:
    for other in (lars, ada):
        client = client_of(other)
        assert client.get(f"/rankings/{ranking.pk}").status_code == 404
        for way in ("draft", "submit", "skip"):
            assert client.post(f"/rankings/{ranking.pk}/{way}", WHOLE).status_code == 404
    assert client_of(person("olga")).post(f"/rank/{campaign.pk}").status_code == 404
    assert ranks(ranking) == [None] * 4


def test_reading_does_not_post_and_posting_does_not_read(client: Client, ranking: Ranking) -> None:
    assert client.post(f"/rankings/{ranking.pk}", WHOLE).status_code == 405
    for way in ("draft", "submit", "skip"):
        assert client.get(f"/rankings/{ranking.pk}/{way}").status_code == 405


def test_the_time_worked_is_what_the_browser_counted_and_never_more_than_passed(
    client: Client, ranking: Ranking
) -> None:
    client.post(f"/rankings/{ranking.pk}/submit", {**WHOLE, "seconds": "86400"})
    ranking.refresh_from_db()
    assert ranking.seconds is not None
    assert 0 <= ranking.seconds < 3600
