"""Screening: candidates beside researchers, demonstrations graded, what candidates say, admins decide."""

import pytest

from annotate.actions import demonstrations, screening
from annotate.actions.demonstrations import write_own_demonstration
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


def test_accepting_qualifies_and_declining_takes_it_back(campaign: Campaign, lena: User, ada: User) -> None:
    Campaign.objects.filter(pk=campaign.pk).update(gives_qualification="medicine")
    work, client = make_campaign("Work", qualification="medicine"), client_of(ada)
    make_prompt(work)
    url, own = f"/campaigns/{campaign.pk}/screening", client_of(lena)
    assert "Accepting gives the qualification “medicine”." in client.get(url).text
    client.post(f"{url}/decide", {"candidate": lena.pk, "is_accepted": "yes", "joins": work.pk})
    lena.refresh_from_db()
    assert lena.qualifications == ["medicine"]
    assert own.post(f"/demonstrate/{work.pk}").status_code == 302
    client.post(f"{url}/decide", {"candidate": lena.pk, "is_accepted": "no"})
    lena.refresh_from_db()
    assert (lena.qualifications, list(work.labelers.all())) == ([], [])
    assert own.post(f"/demonstrate/{work.pk}").status_code == 404


def test_nobody_is_accepted_where_they_would_get_no_work(campaign: Campaign, lena: User, ada: User) -> None:
    work, url = make_campaign("Work", qualification="law"), f"/campaigns/{campaign.pk}/screening/decide"
    said = {"candidate": lena.pk, "is_accepted": "yes", "joins": work.pk, "note": "Knows <i>torts</i>."}
    refused = client_of(ada).post(url, said)
    assert (refused.status_code, ScreeningDecision.objects.count()) == (422, 0)
    assert "asks for the qualification “law”" in refused.text
    assert "Knows &lt;i&gt;torts&lt;/i&gt;." in refused.text and refused.text.count("<details open>") == 1
    assert not work.labelers.exists() and not AuditEntry.objects.filter(verb="accepted").exists()
    program = {"candidate": "lena", "is_accepted": True, "joins": work.pk}
    answer = Program(ada).post(f"campaigns/{campaign.pk}/screening/decisions", program)
    assert answer.status_code == 422 and "“law”" in answer.json()["detail"]


def test_a_program_reads_the_report(campaign: Campaign, rosa: User) -> None:
    lars, of_lena = Program(rosa).get(f"campaigns/{campaign.pk}/screening").json()
    assert (of_lena["candidate"], of_lena["rankings"]["value"], of_lena["is_accepted"]) == ("lena", 1.0, None)
    assert lars["grade"]["value"] is None


def test_a_program_grades_one_demonstration_after_another(
    campaign: Campaign, lena: User, lars: User, rosa: User
) -> None:
    campaign.labelers.remove(lars)
    (made,) = demonstrated(campaign, lena, 1)
    program, address = Program(rosa), f"campaigns/{campaign.pk}/screening/next"
    shown = program.get(address).json()
    assert (shown["id"], shown["text"]) == (made.pk, "Written 0.") and "lena" not in str(shown)
    wrong = program.post("grades", {"demonstration": made.pk, "grade": 8})
    assert (wrong.status_code, wrong.json()["fields"][0]["field"]) == (422, "grade")
    for grade in (6, 5):
        assert program.post("grades", {"demonstration": made.pk, "grade": grade}).status_code == 201
    assert [grade.grade for grade in made.grades.all()] == [5]
    assert program.get(address).status_code == 204


def test_no_program_grades_what_no_candidate_has_submitted(
    campaign: Campaign, rosa: User, lena: User
) -> None:
    make_prompt(campaign)
    unfinished = demonstrations.claim_next(campaign, lena)
    own = write_own_demonstration(make_prompt(campaign), rosa, "The Rhine.")
    for made in (unfinished, own):
        assert made
        refused = Program(rosa).post("grades", {"demonstration": made.pk, "grade": 5})
        assert (refused.status_code, refused.json()["fields"][0]["field"]) == (422, "demonstration")


def test_a_program_decides_and_lists_what_was_decided(campaign: Campaign, lena: User, ada: User) -> None:
    work, program, address = (
        make_campaign("Work"),
        Program(ada),
        f"campaigns/{campaign.pk}/screening/decisions",
    )
    said = {"candidate": "lena", "is_accepted": True, "joins": work.pk, "note": "Careful."}
    decided = program.post(address, said)
    assert decided.status_code == 201 and decided.json().items() >= said.items()
    assert list(work.labelers.all()) == [lena]
    for name in ("ada", "no\0body"):
        assert program.post(address, said | {"candidate": name}).status_code == 422
    refused = program.post(address, said | {"joins": campaign.pk}).json()
    assert [one["field"] for one in refused["fields"]] == ["joins"]
    assert program.get(address).json()["results"] == [decided.json()]


def test_a_candidates_program_says_what_they_can_judge(campaign: Campaign, lena: User, rosa: User) -> None:
    address = f"campaigns/{campaign.pk}/self-assessment"
    assert Program(lena).get(address).status_code == 204
    assert Program(lena).ask("PUT", address, {"text": " "}).status_code == 422
    assert Program(lena).ask("PUT", address, {"text": "Religion."}).json()["text"] == "Religion."
    assert Program(lena).get(address).json()["text"] == "Religion."
    assert Program(rosa).get(f"campaigns/{campaign.pk}/screening").json()[1]["self_assessment"] == "Religion."
