"""What a campaign asks: the paper's flags but those left out, its own questions, its categories."""

from io import BytesIO

import pytest
from django.test import Client

from annotate import datasets
from annotate.actions import rankings
from annotate.actions.imports import import_file
from annotate.errors import Invalid
from annotate.judged import agreement
from annotate.models import Campaign, Ranking, User
from tests.annotate.api import Program
from tests.annotate.test_rank import WHOLE
from tests.people import client_of, make_campaign
from tests.rows import sampled_prompt

OWN = "Off brand: It does not sound like us.\nslow"


@pytest.fixture
def ranking(campaign: Campaign, lena: User) -> Ranking:
    campaign.flags_left_out, campaign.own_flags = ["sexual", "violent"], OWN
    campaign.prompt_flags_left_out, campaign.categories = ["ambiguous"], "generation\nPoems"
    campaign.save()
    sampled_prompt(campaign)
    claimed = rankings.claim_next(campaign, lena)
    assert claimed
    return claimed


@pytest.fixture
def client(lena: User) -> Client:
    return client_of(lena)


def test_the_page_asks_what_the_campaign_asks_and_no_more(
    campaign: Campaign, client: Client, ranking: Ranking
) -> None:
    page = client.get(f"/rankings/{ranking.pk}").text
    assert 'value="opinion"' in page and "It does not sound like us." in page
    assert 'value="sexual"' not in page and 'value="ambiguous"' not in page
    Campaign.objects.update(flags_left_out=[], own_flags="")
    page = client.get(f"/rankings/{ranking.pk}").text
    assert 'value="sexual"' in page and "It does not sound like us." not in page


def test_the_page_fetched_ahead_asks_the_same(campaign: Campaign, client: Client, ranking: Ranking) -> None:
    sampled_prompt(campaign)
    for own in (OWN, "Polite: Says please."):
        Campaign.objects.update(own_flags=own)
        Ranking.objects.exclude(pk=ranking.pk).delete()
        page = client.post(f"/rankings/{ranking.pk}/ahead", headers={"HX-Request": "true"}).text
        assert ("Says please." in page) == (own != OWN)
        assert 'value="sexual"' not in page


def test_own_flags_are_kept_even_once_they_are_asked_no_more(client: Client, ranking: Ranking) -> None:
    sent = {**WHOLE, "flags-A": ["Off brand", "sexual"], "prompt_flags": ["ambiguous"]}
    url = f"/rankings/{ranking.pk}/submit"
    assert client.post(url, sent).status_code == 302
    Campaign.objects.update(own_flags="")
    assert client.post(url, {**sent, "notes": "Again."}).status_code == 302
    assert client.post(url, {**sent, "flags-A": "slow"}).status_code == 422
    kept = Ranking.objects.get()
    assert (kept.notes, kept.prompt_flags) == ("Again.", ["ambiguous"])
    assert kept.ranked_completions.get(place=0).flags == ["Off brand", "sexual"]
    assert 'value="ambiguous" checked' in client.get(f"/rankings/{ranking.pk}").text


def test_own_flags_go_out_and_come_in_again(campaign: Campaign, client: Client, ranking: Ranking) -> None:
    client.post(f"/rankings/{ranking.pk}/submit", {**WHOLE, "flags-A": ["Off brand", "opinion"]})
    lines = b"".join(datasets.lines("rankings", datasets.of_campaign(campaign)))
    elsewhere = make_campaign("Elsewhere")
    with pytest.raises(Invalid, match="unknown name Off brand"):
        import_file("rankings", BytesIO(lines), elsewhere, None)
    Campaign.objects.filter(pk=elsewhere.pk).update(own_flags=OWN)
    import_file("rankings", BytesIO(lines), elsewhere, None)
    assert b"".join(datasets.lines("rankings", datasets.of_campaign(elsewhere))) == lines


def test_agreement_tells_of_own_questions(campaign: Campaign, client: Client, ranking: Ranking) -> None:
    client.post(f"/rankings/{ranking.pk}/submit", {**WHOLE, "flags-A": "Off brand"})
    campaign.refresh_from_db()
    assert "Off brand" in agreement(campaign).flag_alphas


def test_authors_choose_from_the_campaigns_categories(
    campaign: Campaign, client: Client, ranking: Ranking
) -> None:
    page = client.get(f"/write/{campaign.pk}").text
    assert '<option value="generation">Generation</option>' in page and "Poems" in page
    assert 'value="chat"' not in page and 'value="ambiguous"' not in page


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("own_flags", "sexual: Again.", "one of the paper’s"),
        ("own_flags", "a, b", "at most 30 letters"),
        ("own_flags", "twice\ntwice", "stands twice"),
        ("flags_left_out", ["smells"], "there is no flag “smells”"),
        ("prompt_flags_left_out", ["smells"], "there is no flag “smells”"),
        ("categories", "x" * 51, "at most 50 characters"),
    ],
)
def test_what_cannot_be_asked_is_named(
    campaign: Campaign, rosa: User, field: str, value: object, message: str
) -> None:
    answer = Program(rosa, "campaigns").ask("PATCH", f"campaigns/{campaign.pk}", {field: value})
    assert answer.status_code == 422
    assert message in answer.text
