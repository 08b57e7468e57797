"""What ranking and demonstrating share: drafts that stay, the next item ahead, undo, revisions, today."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotate.actions import answers, demonstrations, rankings
from annotate.actions.rankings import Answer, Judgement
from annotate.errors import Invalid, Refused
from annotate.models import (
    Campaign,
    ClaimState,
    Demonstration,
    Instructions,
    PromptFlag,
    Ranking,
    Revision,
    SkipKind,
    User,
)
from annotate.models.revisions import order_in_words
from tests.people import client_of
from tests.rows import make_prompt, sampled_prompt

FETCHED = {"HX-Request": "true"}
WHOLE = Answer(
    {
        "A": Judgement(2, 5, ("opinion",), "So-so."),
        "B": Judgement(1, 6),
        "C": Judgement(4, 1),
        "D": Judgement(2, 5),
    },
    "Hard.",
    ("ambiguous",),
)


@pytest.fixture
def ranking(campaign: Campaign, lena: User) -> Ranking:
    sampled_prompt(campaign)
    claimed = rankings.claim_next(campaign, lena)
    assert claimed is not None
    return claimed


@pytest.fixture
def demonstration(campaign: Campaign, lena: User) -> Demonstration:
    make_prompt(campaign)
    claimed = demonstrations.claim_next(campaign, lena)
    assert claimed is not None
    return claimed


@pytest.fixture
def client(lena: User) -> Client:
    return client_of(lena)


def submitted_ago(seconds: float) -> None:
    then = timezone.now() - timedelta(seconds=seconds)
    Ranking.objects.update(submitted_at=then)
    Demonstration.objects.update(submitted_at=then)


def without_tokens(page: bytes) -> str:
    return re.sub(r'name="csrfmiddlewaretoken" value="\w{64}"', "", page.decode())


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_page_fetched_ahead_is_the_page_that_opens(
    client: Client, ranking: Ranking, campaign: Campaign, language: str
) -> None:
    client.cookies["django_language"] = language
    prompt = sampled_prompt(campaign, "What is $x$ & \ue000pk\ue001?")
    prompt.messages.insert(0, {"role": "system", "content": "Be <brief>."})
    prompt.save()
    prompt.completions.filter(place=2).update(text="**Bold** <script>alert(1)</script> & `code`")
    for _ in ("rendered", "filled in"):
        ahead = client.post(f"/rankings/{ranking.pk}/ahead", headers=FETCHED)
        page = client.get(ahead["Content-Location"], headers=FETCHED)
        assert without_tokens(ahead.content) == without_tokens(page.content)
        assert "&lt;brief&gt;" in ahead.content.decode()
        Ranking.objects.exclude(pk=ranking.pk).delete()


def test_undo_takes_a_ranking_back_with_its_draft(
    client: Client, ranking: Ranking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "UNDO_GRACE", timedelta(minutes=5))
    rankings.submit(ranking, WHOLE)
    submitted_ago(60)
    assert client.post(f"/rankings/{ranking.pk}/undo")["Location"] == f"/rankings/{ranking.pk}"
    ranking.refresh_from_db()
    assert (ranking.state, ranking.submitted_at, ranking.notes) == (ClaimState.CLAIMED, None, "Hard.")
    assert ranking.lease_until is not None
    assert rankings.stored(ranking, list(ranking.ranked_completions.all()))[:3] == WHOLE[:3]


def test_undo_twice_is_undo_once(client: Client, demonstration: Demonstration) -> None:
    demonstrations.submit(demonstration, "The Rhine.", None)
    for _ in range(2):
        assert client.post(f"/demonstrations/{demonstration.pk}/undo").status_code == 302
    assert Revision.objects.count() == 1


def test_undo_is_refused_when_late_or_frozen(client: Client, ranking: Ranking) -> None:
    rankings.submit(ranking, WHOLE)
    submitted_ago(13)
    answer = client.post(f"/rankings/{ranking.pk}/undo")
    assert answer.status_code == 409
    assert "too late" in answer.content.decode()
    submitted_ago(1)
    Ranking.objects.update(frozen_at=timezone.now())
    assert client.post(f"/rankings/{ranking.pk}/undo").status_code == 409
    assert Ranking.objects.get().state == ClaimState.SUBMITTED


def test_a_replaced_answer_becomes_a_revision_and_a_repeated_one_does_not(
    client: Client, ranking: Ranking
) -> None:
    rankings.submit(ranking, WHOLE)
    rankings.submit(ranking, WHOLE)
    assert not Revision.objects.exists()
    first = Ranking.objects.get().submitted_at
    rankings.submit(ranking, WHOLE._replace(notes="Easy."))
    revision = Revision.objects.get()
    assert (revision.ranking, revision.submitted_at) == (ranking, first)
    assert (revision.answer["notes"], revision.answer["prompt_flags"]) == ("Hard.", ["ambiguous"])
    page = client.get(f"/rankings/{ranking.pk}").content.decode()
    assert "B is first, A and D tie for second, C is fourth" in page
    assert "A 5, B 6, C 1, D 5" in page


def test_a_replaced_demonstration_is_shown_as_it_was(client: Client, demonstration: Demonstration) -> None:
    demonstrations.submit(demonstration, "The Rhine.", None)
    demonstrations.submit(demonstration, "The Rhine.", None)
    demonstrations.submit(demonstration, "The Indus.", None)
    assert Revision.objects.get().answer["text"] == "The Rhine."
    assert "The Rhine." in client.get(f"/demonstrations/{demonstration.pk}").content.decode()


def test_an_order_is_said_as_the_ranking_page_says_it() -> None:
    assert order_in_words({"A": 1}) == "A is first"
    said = order_in_words({"A": 3, "B": 1, "C": 3, "D": 1, "E": 3})
    assert said == "B and D tie for first, A, C and E tie for third"


def test_prompt_flags_are_kept_with_drafts_and_answers(
    client: Client, ranking: Ranking, demonstration: Demonstration
) -> None:
    flags = {"prompt_flags": [PromptFlag.AMBIGUOUS, PromptFlag.OPINION]}
    client.post(f"/rankings/{ranking.pk}/draft", flags)
    client.post(f"/demonstrations/{demonstration.pk}/submit", {"text": "The Rhine.", **flags})
    assert Ranking.objects.get().prompt_flags == ["ambiguous", "opinion"]
    assert Demonstration.objects.get(state=ClaimState.SUBMITTED).prompt_flags == ["ambiguous", "opinion"]
    for url in (f"/rankings/{ranking.pk}/draft", f"/demonstrations/{demonstration.pk}/draft"):
        answer = client.post(url, {"prompt_flags": "smelly"})
        assert answer.status_code == 422
        assert "there is no flag “smelly”" in answer.content.decode()


def test_a_draft_says_its_name_and_whether_another_went_for_it(client: Client, ranking: Ranking) -> None:
    url = f"/rankings/{ranking.pk}/draft"
    first = client.post(url, {"notes": "One", "drafted": ""})
    assert "Podium-Draft-Replaced" not in first.headers
    second = client.post(url, {"notes": "Two", "drafted": first["Podium-Draft"]})
    assert "Podium-Draft-Replaced" not in second.headers
    late = client.post(url, {"notes": "Three", "drafted": first["Podium-Draft"]})
    assert late["Podium-Draft-Replaced"] == "true"
    assert late["Podium-Draft"] in client.get(f"/rankings/{ranking.pk}").content.decode()


def test_a_draft_is_kept_even_where_its_slot_is_gone(
    client: Client, ranking: Ranking, demonstration: Demonstration, lars: User
) -> None:
    for kind in (Ranking, Demonstration):
        kind.objects.update(state=ClaimState.EXPIRED, slot=None, lease_until=None)
    rankings.claim_prompt(ranking.prompt, lars)
    demonstrations.claim_next(demonstration.prompt.campaign, lars)
    demonstrations.claim_next(demonstration.prompt.campaign, lars, besides=Demonstration.objects.last().pk)
    assert client.post(f"/rankings/{ranking.pk}/draft", {"notes": "Late"}).status_code == 409
    assert client.post(f"/demonstrations/{demonstration.pk}/draft", {"text": "Late"}).status_code == 409
    ranking.refresh_from_db()
    demonstration.refresh_from_db()
    assert (ranking.state, ranking.notes, demonstration.text) == (ClaimState.EXPIRED, "Late", "Late")


def test_a_draft_that_comes_after_a_skip_is_kept_and_leaves_it_skipped(ranking: Ranking) -> None:
    answers.skip(ranking, SkipKind.UNCLEAR, "")
    rankings.save_draft(ranking, Answer({}, "Too late"))
    ranking.refresh_from_db()
    assert (ranking.state, ranking.slot, ranking.notes) == (ClaimState.SKIPPED, None, "Too late")


def test_one_item_is_claimed_ahead_and_never_two(
    client: Client, campaign: Campaign, ranking: Ranking
) -> None:
    for river in ("Indus", "Volga"):
        sampled_prompt(campaign, f"Where is the {river}?")
    for _ in range(2):
        answer = client.post(f"/rankings/{ranking.pk}/ahead", headers=FETCHED)
        assert "Where is the Indus?" in answer.content.decode()
    after = Ranking.objects.exclude(pk=ranking.pk).get()
    assert answer["Content-Location"] == f"/rankings/{after.pk}"
    assert client.post(f"/rankings/{ranking.pk}/skip", {"kind": "unclear"})["Location"] == (
        f"/rankings/{after.pk}"
    )


def test_nothing_is_ahead_of_the_last_item_or_in_a_closed_campaign(
    client: Client, campaign: Campaign, ranking: Ranking
) -> None:
    assert client.post(f"/rankings/{ranking.pk}/ahead").status_code == 204
    sampled_prompt(campaign)
    Campaign.objects.update(is_open=False)
    assert client.post(f"/rankings/{ranking.pk}/ahead").status_code == 204
    assert Ranking.objects.count() == 1


def test_looking_at_an_item_keeps_its_claim_or_says_that_it_is_gone(
    client: Client, ranking: Ranking, lars: User
) -> None:
    url = f"/rankings/{ranking.pk}/ahead"
    Ranking.objects.update(lease_until=timezone.now() + timedelta(seconds=1))
    client.post(url)
    assert Ranking.objects.get().lease_until > timezone.now() + timedelta(minutes=59)
    Ranking.objects.update(state=ClaimState.EXPIRED, slot=None, lease_until=None)
    client.post(url)
    assert Ranking.objects.get().state == ClaimState.CLAIMED
    Ranking.objects.update(state=ClaimState.EXPIRED, slot=None, lease_until=None)
    rankings.claim_prompt(ranking.prompt, lars)
    assert "What you wrote is kept" in client.post(url, headers=FETCHED).content.decode()


def test_a_script_hears_only_what_was_done_or_refused(client: Client, ranking: Ranking) -> None:
    url = f"/rankings/{ranking.pk}/submit"
    refused = client.post(url, {"rank-A": "1"}, headers=FETCHED)
    assert (refused.status_code, "<html" in refused.content.decode()) == (422, False)
    whole = {f"{name}-{letter}": "1" for letter in "ABCD" for name in ("rank", "rating")}
    done = client.post(url, whole, headers=FETCHED)
    assert (done.status_code, "<html" in done.content.decode()) == (200, False)
    assert f'action="/rankings/{ranking.pk}/undo"' in done.content.decode()


def test_changing_an_answer_that_has_counted_offers_no_undo(
    client: Client, demonstration: Demonstration
) -> None:
    url = f"/demonstrations/{demonstration.pk}/submit"
    assert "Undo" in client.post(url, {"text": "The Rhine."}, headers=FETCHED).content.decode()
    assert "Undo" in client.post(url, {"text": "The Rhine."}, headers=FETCHED).content.decode()
    submitted_ago(13)
    assert "Undo" not in client.post(url, {"text": "The Indus."}, headers=FETCHED).content.decode()


def test_nobody_else_undoes_or_looks_ahead(ranking: Ranking, lars: User) -> None:
    rankings.submit(ranking, WHOLE)
    for way in ("undo", "ahead"):
        assert client_of(lars).post(f"/rankings/{ranking.pk}/{way}").status_code == 404
        assert client_of(lars).get(f"/rankings/{ranking.pk}/{way}").status_code == 405


def test_today_counts_answers_their_pace_and_what_is_left(
    client: Client, campaign: Campaign, lena: User, lars: User
) -> None:
    for seconds in (60.0, 90.0, 200.0):
        sampled_prompt(campaign)
        ranking = rankings.claim_next(campaign, lena)
        assert ranking is not None
        rankings.submit(ranking, WHOLE)
        Ranking.objects.filter(pk=ranking.pk).update(seconds=seconds)
    Ranking.objects.filter(pk=ranking.pk).update(submitted_at=timezone.now() - timedelta(days=1))
    sampled_prompt(campaign)
    page = client.get(f"/campaigns/{campaign.pk}/today?ranking").content.decode()
    assert "2 done today, 1:15 minutes each" in page
    assert "1 left for you" in page
    other = client_of(lars).get(f"/campaigns/{campaign.pk}/today?demonstration").content.decode()
    assert "0 done today · 4 left for you" in other


def test_what_is_claimed_counts_as_left_unless_others_filled_it(
    campaign: Campaign, ranking: Ranking, lena: User, lars: User
) -> None:
    sampled_prompt(campaign)
    assert rankings.left(campaign, lena) == 2
    Ranking.objects.update(state=ClaimState.EXPIRED, slot=None, lease_until=None)
    assert rankings.left(campaign, lena) == 2
    rankings.claim_prompt(ranking.prompt, lars)
    assert rankings.left(campaign, lena) == 1


def test_changed_instructions_are_shown_until_they_are_worked_under(
    client: Client, campaign: Campaign, ranking: Ranking, lena: User
) -> None:
    rankings.submit(ranking, WHOLE)
    url = f"/campaigns/{campaign.pk}/today?ranking"
    assert "Changed since" not in client.get(url).content.decode()
    Instructions.objects.create(campaign=campaign, version=2, text="Prefer **brief**, true answers.")
    assert "<ins>brief</ins>" in client.get(url).content.decode()
    sampled_prompt(campaign)
    after = rankings.claim_next(campaign, lena)
    assert after is not None
    rankings.submit(after, WHOLE)
    assert "Changed since" not in client.get(url).content.decode()


def test_researchers_see_why_prompts_were_skipped(
    campaign: Campaign, ranking: Ranking, demonstration: Demonstration, rosa: User
) -> None:
    answers.skip(ranking, SkipKind.UNCLEAR, "")
    answers.skip(demonstration, SkipKind.UNCLEAR, "")
    page = client_of(rosa).get(f"/campaigns/{campaign.pk}").content.decode()
    row = '<tr><td>It is not clear what is wanted</td><td class="number">1</td><td class="number">1</td></tr>'
    assert row in page
    assert "I lack the expertise" not in page


def test_the_words_of_a_skip_are_bounded(ranking: Ranking) -> None:
    with pytest.raises(Invalid, match="at most 300"):
        answers.skip(ranking, SkipKind.OTHER, "x" * 301)
    rankings.submit(ranking, WHOLE)
    with pytest.raises(Refused, match="submitted this already"):
        answers.skip(ranking, SkipKind.UNCLEAR, "")


def test_a_submit_and_the_next_page_take_few_queries(
    client: Client, campaign: Campaign, ranking: Ranking
) -> None:
    for _ in range(2):
        sampled_prompt(campaign)
    with CaptureQueriesContext(connection) as ahead:
        client.post(f"/rankings/{ranking.pk}/ahead", headers=FETCHED)
    whole = {f"{name}-{letter}": "1" for letter in "ABCD" for name in ("rank", "rating")}
    with CaptureQueriesContext(connection) as submit:
        client.post(f"/rankings/{ranking.pk}/submit", whole, headers=FETCHED)
    assert len(asked(ahead)) <= 9, asked(ahead)
    assert len(asked(submit)) <= 8, asked(submit)


def asked(queries: CaptureQueriesContext) -> list[str]:
    """Return the statements but those that only begin and end transactions."""
    statements = [query["sql"] for query in queries.captured_queries]
    return [sql for sql in statements if not sql.startswith(("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT"))]
