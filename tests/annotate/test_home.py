"""Home: what there is to do, for each role."""

from annotate.actions import demonstrations, rankings
from annotate.actions.rankings import Answer
from annotate.models import Campaign, Run, Stage, User
from tests.people import client_of
from tests.rows import POLICY_NAME, make_policy, make_prompt, sampled_prompt


def test_a_labeler_sees_what_there_is_to_do(campaign: Campaign, lena: User) -> None:
    sampled_prompt(campaign)
    sampled_prompt(campaign)
    make_prompt(campaign)
    page = client_of(lena).get("/").content.decode()
    assert "2 prompts" in page
    assert "3 prompts" in page
    assert POLICY_NAME not in page


def test_work_is_unfinished_once_there_is_a_draft_and_to_do_until_then(
    campaign: Campaign, lena: User
) -> None:
    sampled_prompt(campaign)
    ranking = rankings.claim_next(campaign, lena)
    assert ranking is not None
    page = client_of(lena).get("/").content.decode()
    assert f"/rankings/{ranking.pk}" not in page
    assert "1 prompt" in page
    rankings.save_draft(ranking, Answer({}))
    assert f"/rankings/{ranking.pk}" in client_of(lena).get("/").content.decode()


def test_a_submitted_answer_is_linked_so_that_it_can_be_changed(campaign: Campaign, lena: User) -> None:
    make_prompt(campaign)
    demonstration = demonstrations.claim_next(campaign, lena)
    assert demonstration is not None
    demonstrations.submit(demonstration, "The Rhine.", None)
    page = client_of(lena).get("/").content.decode()
    assert "My latest answers" in page
    assert f"/demonstrations/{demonstration.pk}" in page


def test_a_stranger_is_told_whom_to_ask(campaign: Campaign, sten: User) -> None:
    page = client_of(sten).get("/").content.decode()
    assert "Ask a researcher to add you" in page
    assert "Helpful answers" not in page


def test_researchers_see_campaigns_and_runs_under_way(campaign: Campaign, rosa: User, lena: User) -> None:
    run = Run.objects.create(
        campaign=campaign, stage=Stage.REWARD, policy=make_policy(campaign), total_steps=9, step=4
    )
    page = client_of(rosa).get("/").content.decode()
    assert f"/runs/{run.pk}" in page
    assert "4 of 9 steps" in page
    assert f"/runs/{run.pk}" not in client_of(lena).get("/").content.decode()
