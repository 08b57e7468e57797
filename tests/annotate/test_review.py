"""Reviews: what labelers disagree on is looked at again, by one person, and nothing of theirs is erased."""

import json

import pytest

from annotate import datasets
from annotate.actions import claims, rankings, reviews
from annotate.judged import agreement
from annotate.models import Campaign, ClaimState, Prompt, Ranking, User
from annotate.progress import progress
from annotate.snapshot_query import SnapshotQuery, choose
from tests.annotate.api import Program
from tests.annotate.test_agreement_page import ranked
from tests.people import client_of
from tests.rows import sampled_prompt

ADJUDICATED = {f"{name}-{letter}": "1" for letter in "ABCD" for name in ("rank", "rating")}


@pytest.fixture
def disputed(campaign: Campaign, lena: User, lars: User) -> Prompt:
    """One prompt that lena and lars rank in opposite ways, beside one that they rank alike."""
    campaign.review_below, campaign.labelers_per_prompt = 0.6, 3
    campaign.save()
    alike, disputed = (sampled_prompt(campaign, text) for text in ("Alike.", "Disputed."))
    for labeler, ranks in ((lena, [1, 2, 3, 4]), (lars, [4, 3, 2, 1])):
        ranked(alike, labeler, [1, 2, 3, 3])
        ranked(disputed, labeler, ranks, notes=f"{labeler.username[:1]} says so")
    return disputed


def test_only_what_labelers_disagree_on_waits(campaign: Campaign, rosa: User, disputed: Prompt) -> None:
    page = client_of(rosa).get(f"/campaigns/{campaign.pk}/review").text
    assert "Disputed." in page
    assert "0.0%" in page
    assert "Alike." not in page


def test_a_reviewer_sees_both_answers_under_no_name_and_adds_a_third(
    campaign: Campaign, rosa: User, disputed: Prompt
) -> None:
    client = client_of(rosa)
    review = client.post(f"/campaigns/{campaign.pk}/review/next")["Location"]
    page = client.get(review).text
    assert all(words in page for words in ("Labeler 1", "Labeler 2", "l says so", "rated 7"))
    assert "lena" not in page and "lars" not in page
    said = client.post(f"{review}/submit", {**ADJUDICATED, "notes": "All the same."})
    assert said["Location"] == f"/campaigns/{campaign.pk}/review"
    assert "All the same." in client.get(said["Location"]).text
    states = disputed.rankings.values_list("is_review", "slot", "state")
    assert list(states) == [(False, 0, "submitted"), (False, 1, "submitted"), (True, None, "submitted")]


def test_two_reviewers_never_get_the_same_item(
    campaign: Campaign, rosa: User, ada: User, disputed: Prompt
) -> None:
    first = reviews.claim_next(campaign, rosa)
    assert first and first.prompt == disputed
    assert reviews.claim_next(campaign, rosa) == first
    assert reviews.claim_next(campaign, ada) is None
    Ranking.objects.filter(pk=first.pk).update(state=ClaimState.EXPIRED, lease_until=None)
    assert reviews.claim_next(campaign, ada)
    first.refresh_from_db()
    with pytest.raises(Exception, match="others have answered"):
        claims.resume(first)


def test_nobody_reviews_what_they_ranked(campaign: Campaign, lena: User, disputed: Prompt) -> None:
    lena.role = "researcher"
    lena.save()
    assert reviews.claim_next(campaign, lena) is None


def test_a_labeler_reviews_where_they_are_named(
    campaign: Campaign, rosa: User, sten: User, disputed: Prompt
) -> None:
    campaign.labelers.add(sten)
    desk, url = client_of(sten), f"/campaigns/{campaign.pk}/review/next"
    assert desk.post(url).status_code == 404 and url not in desk.get("/").text
    client_of(rosa).post(f"/campaigns/{campaign.pk}/members", {"reviewers": [sten.pk]})
    assert url in desk.get("/").text
    review = desk.post(url)["Location"]
    assert "Labeler 2" in desk.get(review).text
    assert desk.post(f"{review}/submit", ADJUDICATED)["Location"] == "/"
    assert desk.post(url)["Location"] == "/" and url not in desk.get("/").text
    assert Ranking.objects.get(labeler=sten).is_review


def test_nobody_reviews_what_they_wrote(campaign: Campaign, rosa: User, disputed: Prompt) -> None:
    Prompt.objects.filter(pk=disputed.pk).update(author=rosa)
    assert reviews.claim_next(campaign, rosa) is None


def test_a_review_is_no_work_of_the_desk_and_covers_nobody(
    campaign: Campaign, rosa: User, sten: User, disputed: Prompt
) -> None:
    campaign.labelers.add(rosa, sten)
    review = reviews.claim_next(campaign, rosa)
    ranking = rankings.claim_next(campaign, rosa)
    assert review and ranking and ranking.prompt != disputed
    assert rankings.claim_prompt(disputed, sten), "the review takes no slot of the three"
    disputed.refresh_from_db()
    assert disputed.rankings_held == 3
    assert progress(campaign).rankings_in_progress == 2


def test_agreement_counts_the_labelers_alone(campaign: Campaign, rosa: User, disputed: Prompt) -> None:
    before = agreement(campaign)
    client = client_of(rosa)
    review = client.post(f"/campaigns/{campaign.pk}/review/next")["Location"]
    client.post(f"{review}/submit", ADJUDICATED)
    assert agreement(campaign) == before


def test_an_export_has_the_review_beside_the_answers_or_instead_of_them(
    campaign: Campaign, ada: User, rosa: User, disputed: Prompt
) -> None:
    review = reviews.claim_next(campaign, rosa)
    assert review
    client_of(rosa).post(f"/rankings/{review.pk}/submit", ADJUDICATED)
    every, only = (
        [json.loads(line)["labeler"] for line in datasets.lines("rankings", chosen)]
        for chosen in (datasets.of_campaign(campaign), datasets.of_campaign(campaign, only_reviews=True))
    )
    assert sorted(every) == ["lars", "lars", "lena", "lena", "rosa"]
    assert sorted(only) == ["lars", "lena", "rosa"]
    url = f"/campaigns/{campaign.pk}/data/rankings.jsonl"
    sent = b"".join(client_of(ada).get(url, {"only_reviews": "yes"}).streaming_content)
    assert [json.loads(line)["labeler"] for line in sent.splitlines()] == only
    asked = choose(campaign, SnapshotQuery(only_reviews=True))
    assert [json.loads(line)["labeler"] for line in datasets.lines("rankings", asked)] == only


def test_a_labeler_asks_for_a_second_look(campaign: Campaign, lena: User, rosa: User) -> None:
    prompt = sampled_prompt(campaign, "Odd.")
    claimed = rankings.claim_prompt(prompt, lena)
    assert claimed
    client = client_of(lena)
    client.post(f"/rankings/{claimed.pk}/draft", {"asks_review": "on"})
    assert 'name="asks_review" checked' in client.get(f"/rankings/{claimed.pk}").text
    client.post(f"/rankings/{claimed.pk}/submit", {**ADJUDICATED, "asks_review": "on"})
    assert "a labeler asks" in client_of(rosa).get(f"/campaigns/{campaign.pk}/review").text


def test_a_program_reviews(campaign: Campaign, rosa: User, disputed: Prompt) -> None:
    program = Program(rosa)
    (waits,) = program.get(f"campaigns/{campaign.pk}/reviews").json()
    assert (waits["prompt"], waits["alike"], waits["is_asked"]) == (disputed.pk, 0.0, False)
    review = program.post(f"campaigns/{campaign.pk}/reviews/next").json()
    shown = [row["letter"] for row in review["outputs"]]
    assert [[len(said["outputs"]), said["number"]] for said in review["reviewed"]] == [[4, 1], [4, 2]]
    outputs = [{"letter": letter, "rank": 1, "rating": 4} for letter in shown]
    assert (
        program.post(f"rankings/{review['id']}/submit", {"outputs": outputs}).json()["state"] == "submitted"
    )
    assert program.post(f"campaigns/{campaign.pk}/reviews/next").status_code == 204
