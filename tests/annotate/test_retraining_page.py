"""The page of a campaign's periodic retraining."""

from annotate.models import Campaign, Retraining, User
from tests.people import client_of

WISHES = {
    "retrain_after_comparisons": 50,
    "retrain_after_hours": "",
    "promote_min_accuracy": 0.6,
    "promote_max_kl": 20,
}


def test_it_saves_when_to_retrain_and_says_how_far_it_is(rosa: User, campaign: Campaign) -> None:
    url = f"/campaigns/{campaign.pk}/retraining"
    assert client_of(rosa).post(url, WISHES).status_code == 302
    campaign.refresh_from_db()
    assert (campaign.retrain_after_comparisons, campaign.retrain_after_hours) == (50, None)
    text = client_of(rosa).get(url).text
    assert "Not due yet" in text
    assert "0 of 50 new comparisons" in text


def test_wishes_out_of_range_change_nothing(rosa: User, campaign: Campaign) -> None:
    url = f"/campaigns/{campaign.pk}/retraining"
    answer = client_of(rosa).post(url, WISHES | {"promote_min_accuracy": 60})
    campaign.refresh_from_db()
    assert answer.status_code == 422
    assert campaign.retrain_after_comparisons is None


def test_it_shows_each_round_with_its_decision(rosa: User, campaign: Campaign) -> None:
    Retraining.objects.create(
        campaign=campaign, state="declined", due_because="50 of 50", decision="Accuracy 0.51 is below 0.6."
    )
    text = client_of(rosa).get(f"/campaigns/{campaign.pk}/retraining").text
    assert "Accuracy 0.51 is below 0.6." in text
    assert "Not promoted" in text


def test_a_round_asked_for_now_waits_for_the_one_under_way(rosa: User, campaign: Campaign) -> None:
    Retraining.objects.create(campaign=campaign, due_because="50 of 50")
    answer = client_of(rosa).post(f"/campaigns/{campaign.pk}/retraining/now")
    assert answer.status_code == 409
    assert Retraining.objects.count() == 1


def test_a_round_without_comparisons_says_why_it_failed(rosa: User, campaign: Campaign) -> None:
    client_of(rosa).post(f"/campaigns/{campaign.pk}/retraining/now")
    round_ = Retraining.objects.get()
    assert round_.due_because == "Asked for by rosa"
    assert round_.state == "failed"
    assert round_.decision
