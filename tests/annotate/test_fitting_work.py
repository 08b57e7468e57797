"""What a labeler is given fits them: languages they read, qualifications they have."""

import pytest

from annotate.actions import demonstrations, people, rankings
from annotate.errors import Invalid
from annotate.models import Campaign, Prompt, User
from tests.people import client_of
from tests.rows import sampled_prompt


def in_language(campaign: Campaign, language: str, category: str = "") -> Prompt:
    prompt = sampled_prompt(campaign)
    prompt.language, prompt.category = language, category
    prompt.save()
    return prompt


def test_a_labeler_is_given_what_they_read(campaign: Campaign, lena: User, lars: User) -> None:
    for language in ("", "de", "en", "und", "zh"):
        in_language(campaign, language)
    people.change_work(lena, lena, languages=["zh", "en"])
    assert (rankings.left(campaign, lena), rankings.left(campaign, lars)) == (3, 5)
    assert demonstrations.left(campaign, lena) == 3
    first = rankings.claim_next(campaign, lena)
    assert first is not None and first.prompt_id == Prompt.objects.get(language="en").pk


def test_what_is_claimed_ahead_fits_too(campaign: Campaign, lena: User) -> None:
    campaign.category_qualifications = "summarization: medicine"
    campaign.save()
    people.change_work(lena, lena, languages=["en"])
    in_language(campaign, "en", "chat")
    in_language(campaign, "de", "chat")
    in_language(campaign, "en", "summarization")
    ranking = rankings.claim_next(campaign, lena)
    assert ranking is not None
    assert client_of(lena).post(f"/rankings/{ranking.pk}/ahead").status_code == 204
    people.change_work(lena, lena, qualifications=["medicine"])
    assert client_of(lena).post(f"/rankings/{ranking.pk}/ahead").status_code == 200


def test_a_campaign_asks_for_a_qualification(campaign: Campaign, lena: User) -> None:
    sampled_prompt(campaign)
    campaign.qualification = "medicine"
    campaign.save()
    browser = client_of(lena)
    assert browser.post(f"/rank/{campaign.pk}").status_code == 404
    people.change_work(lena, lena, qualifications=["law", "medicine"])
    assert browser.post(f"/rank/{campaign.pk}").status_code == 302


def test_who_loses_a_qualification_goes_on_with_nothing_more(campaign: Campaign, lena: User) -> None:
    sampled_prompt(campaign)
    sampled_prompt(campaign)
    ranking = rankings.claim_next(campaign, lena)
    assert ranking is not None
    Campaign.objects.update(qualification="medicine")
    assert client_of(lena).post(f"/rankings/{ranking.pk}/ahead").status_code == 204


def test_people_say_what_they_read(lena: User) -> None:
    browser = client_of(lena)
    assert browser.post("/account/languages", {"languages": "zh, en,zh"}).status_code == 302
    refused = browser.post("/account/languages", {"languages": "zh, Chinese?"})
    assert refused.status_code == 422 and "“Chinese?” is not a code" in refused.text
    lena.refresh_from_db()
    assert lena.languages == ["zh", "en"]
    assert 'value="zh, en"' in browser.get("/account").text


def test_admins_say_what_people_are_qualified_for(ada: User, lena: User) -> None:
    browser, path = client_of(ada), f"/people/{lena.pk}"
    browser.post(f"{path}/work", {"languages": "", "qualifications": "law, French law"})
    lena.refresh_from_db()
    assert (lena.languages, lena.qualifications) == ([], ["law", "French law"])
    assert 'value="law, French law"' in browser.get(path).text
    refused = browser.post(f"{path}/work", {"languages": "?", "qualifications": "kept on the page"})
    assert refused.status_code == 422 and "kept on the page" in refused.text
    with pytest.raises(Invalid, match="1 to 50 characters"):
        people.change_work(lena, ada, qualifications=["x" * 51])


def test_a_line_without_a_qualification_is_refused(campaign: Campaign, rosa: User) -> None:
    path = f"/campaigns/{campaign.pk}/settings"
    page = client_of(rosa).post(path, {"category_qualifications": "chat: law\nsummarization"})
    assert page.status_code == 422 and "“summarization”: write a category" in page.text
