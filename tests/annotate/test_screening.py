"""Screening: candidates beside researchers, demonstrations graded, what candidates say, admins decide."""

import pytest

from annotate.actions import demonstrations, screening
from annotate.models import AuditEntry, Campaign, Demonstration, ScreeningDecision, User
from annotate.screening_report import candidates
from tests.annotate.api import Program
from tests.annotate.test_agreement_page import ranked
from tests.people import client_of, make_campaign
from tests.rows import make_prompt, sampled_prompt


@pytest.fixture
def campaign(lena: User, lars: User, rosa: User) -> Campaign:
    """Twelve prompts: lena ranks as rosa does, lars one comparison of six and each flag otherwise."""
    campaign = make_campaign("Candidates", is_screening=True, labelers_per_prompt=5)
    campaign.labelers.set([lena, lars, rosa])
    for number in range(12):
        prompt = sampled_prompt(campaign, f"River {number}?")
        for labeler, ranks in ((rosa, [1, 2, 3, 4]), (lena, [1, 2, 3, 4]), (lars, [1, 3, 2, 4])):
            ranked(prompt, labeler, ranks)
        prompt.rankings.get(labeler=lars).ranked_completions.update(flags=["violent"])
    return campaign


def demonstrated(campaign: Campaign, labeler: User, count: int) -> list[Demonstration]:
    made = []
    for number in range(count):
        make_prompt(campaign, f"Write {number}.")
        claimed = demonstrations.claim_next(campaign, labeler)
        assert claimed
        demonstrations.submit(claimed, f"Written {number}.", None)
        made.append(claimed)
    return made


def test_figures_are_agreement_with_researchers_alone(campaign: Campaign, lena: User) -> None:
    lars, of_lena = (one.figures for one in candidates(campaign))
    assert (of_lena.rankings.value, of_lena.flags.value) == (1, 1)
    assert lars.rankings.value == pytest.approx(5 / 6)
    # The fixture flags the completion that is ranked last as sexual, lars all four as violent.
    assert lars.flags.value == pytest.approx(1 / 4)
    assert (of_lena.grade.value, of_lena.grade.prompts) == (None, 0)


def test_grades_of_one_to_seven_are_averaged_per_demonstration(
    campaign: Campaign, lena: User, rosa: User, ada: User
) -> None:
    for made in demonstrated(campaign, lena, 10):
        screening.grade(made, rosa, 7)
        screening.grade(made, ada, 4)
    (grade,) = (one.figures.grade for one in candidates(campaign) if one.user == lena)
    assert grade.value == pytest.approx(5.5)
    assert grade.low is not None and grade.high is not None and 1 <= grade.low < 5.5 < grade.high <= 7
    page = client_of(rosa).get(f"/campaigns/{campaign.pk}/screening").text
    assert "5.5" in page and "6/7" in page and "75.0%" in page and "not enough yet: 0 of 10" in page


def test_a_researcher_grades_one_after_another_without_names(
    campaign: Campaign, lena: User, lars: User, rosa: User
) -> None:
    campaign.labelers.remove(lars)
    (made,) = demonstrated(campaign, lena, 1)
    client, url = client_of(rosa), f"/campaigns/{campaign.pk}/screening/grade"
    page = client.get(url).text
    assert "Written 0." in page and "lena" not in page
    assert client.post(url, {"demonstration": made.pk, "grade": "8"}).status_code == 422
    assert client.post(url, {"demonstration": made.pk, "grade": "6"}).status_code == 302
    assert "You have graded all" in client.get(url).text
    assert client.post(url, {"demonstration": made.pk, "grade": "1"}).status_code == 404


def test_every_candidate_may_demonstrate_every_prompt(campaign: Campaign, lena: User, lars: User) -> None:
    campaign.prompts.update(sampling="set_aside")
    make_prompt(campaign, "Both write this.")
    claims = [demonstrations.claim_next(campaign, labeler) for labeler in (lena, lars)]
    assert claims[0] and claims[1] and claims[0].prompt == claims[1].prompt
    assert [one.slot for one in claims if one] == [0, 1]


def test_a_candidate_says_what_they_can_judge(campaign: Campaign, lena: User, rosa: User) -> None:
    client, url = client_of(lena), f"/campaigns/{campaign.pk}/self-assessment"
    assert url in client.get("/").text
    assert client.post(url, {"text": " "}).status_code == 422
    client.post(url, {"text": "Religion, <b>Tagalog</b>."})
    assert "Religion" in client.get(url).text
    assert "&lt;b&gt;Tagalog" in client_of(rosa).get(f"/campaigns/{campaign.pk}/screening").text


def test_an_admin_decides_and_the_accepted_one_labels(
    campaign: Campaign, lena: User, lars: User, ada: User, rosa: User
) -> None:
    work, url = make_campaign("Work"), f"/campaigns/{campaign.pk}/screening/decide"
    assert client_of(rosa).post(url, {}).status_code == 404
    client = client_of(ada)
    client.post(url, {"candidate": lena.pk, "is_accepted": "yes", "joins": work.pk, "note": "Careful."})
    client.post(url, {"candidate": lars.pk, "is_accepted": "no", "joins": work.pk})
    assert list(work.labelers.all()) == [lena]
    assert set(AuditEntry.objects.values_list("verb", flat=True)) >= {"accepted", "declined"}
    assert client.post(url, {"candidate": rosa.pk, "is_accepted": "maybe"}).status_code == 422
    assert ScreeningDecision.objects.count() == 2
    page = client.get(f"/campaigns/{campaign.pk}/screening").text
    assert "Accepted" in page and "Careful." in page and "Declined" in page


def test_a_program_reads_the_report(campaign: Campaign, rosa: User) -> None:
    lars, of_lena = Program(rosa).get(f"campaigns/{campaign.pk}/screening").json()
    assert (of_lena["candidate"], of_lena["rankings"]["value"], of_lena["is_accepted"]) == ("lena", 1.0, None)
    assert lars["grade"]["value"] is None
