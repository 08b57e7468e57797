"""The API for researchers: gold items, intake's decisions, sampling tried again, tables and kept figures."""

from annotate.actions import intake
from annotate.models import Campaign, ClaimState, GoldItem, IntakeDecision, KeptFigures, Prompt, User
from tests.annotate.api import Program
from tests.annotate.test_agreement_page import ranked
from tests.rows import make_policy, make_prompt, sampled_prompt


def test_a_ranking_becomes_gold_and_is_gold_no_more(campaign: Campaign, lena: User, rosa: User) -> None:
    prompt, program = sampled_prompt(campaign), Program(rosa)
    ranked(prompt, lena, [2, 1, 3, 3])
    ranking = prompt.rankings.get()
    marked = program.post(f"rankings/{ranking.pk}/gold").json()
    assert (marked["prompt"], marked["ranks"], marked["marked_by"]) == (prompt.pk, [2, 1, 3, 3], "rosa")
    (listed,) = program.get(f"campaigns/{campaign.pk}/gold").json()["results"]
    assert listed == marked | {"answers": 0} and program.get(f"gold/{marked['id']}").json() == marked
    assert program.ask("DELETE", f"gold/{marked['id']}").status_code == 204
    assert not GoldItem.objects.exists()


def test_a_ranking_that_orders_nothing_is_refused_as_gold(campaign: Campaign, lena: User, rosa: User) -> None:
    prompt = sampled_prompt(campaign)
    ranked(prompt, lena, [1, 1, 1, 1])
    refused = Program(rosa).post(f"rankings/{prompt.rankings.get().pk}/gold")
    assert (refused.status_code, GoldItem.objects.count()) == (409, 0)
    assert "puts no completion before another" in refused.json()["detail"]


def masked_prompt(campaign: Campaign) -> IntakeDecision:
    said = [{"role": "user", "content": "Write to jo@example.org."}]
    prompt = Prompt(campaign=campaign, messages=said, split="train")
    intake.take_in(campaign, [prompt])
    return prompt.intake_decisions.get()


def test_an_admin_reverses_a_decision_and_upholds_it(campaign: Campaign, ada: User) -> None:
    decision, program = masked_prompt(campaign), Program(ada)
    said = program.post(f"intake/{decision.pk}/reverse").json()
    assert (said["reversed_by"], said["detail"]) == ("ada", {"email": 1})
    assert "jo@example.org" in Prompt.objects.get().text
    assert program.get(f"campaigns/{campaign.pk}/progress").json()["intake"][-1]["reversed"] == 1
    assert program.post(f"intake/{decision.pk}/uphold").json()["reversed_at"] is None
    assert "jo@example.org" not in Prompt.objects.get().text


def test_words_that_a_rule_masked_are_told_to_admins_alone(campaign: Campaign, ada: User, rosa: User) -> None:
    masked_prompt(campaign)
    lists = [Program(who).get(f"campaigns/{campaign.pk}/intake").json()["results"] for who in (ada, rosa)]
    assert "jo@example.org" in lists[0][0]["messages"][0]["content"]
    assert lists[1][0]["messages"] is None and lists[1][0]["rule"] == "personal_data"
    assert Program(rosa).get(f"campaigns/{campaign.pk}/intake?rule=duplicate").json()["results"] == []


def test_a_choice_that_is_not_known_is_refused_with_those_that_are(campaign: Campaign, ada: User) -> None:
    path = f"campaigns/{campaign.pk}"
    exports = ("exports/prompts?format=", "exports/prompts?only_reviews=")
    for asked in ("prompts?sampling=", "intake?rule=", *exports):
        refused = Program(ada).get(f"{path}/{asked}sometimes")
        name = asked.partition("?")[2].rstrip("=")
        assert (refused.status_code, refused.json()["fields"][0]["field"]) == (422, name)
        assert "“sometimes” is not known" in refused.json()["detail"]
    assert "duplicate" in Program(ada).get(f"{path}/intake?rule=").json()["detail"]


def test_failed_sampling_is_tried_again_by_author_and_by_campaign(
    campaign: Campaign, lena: User, rosa: User
) -> None:
    first, _second, _third = (make_prompt(campaign, f"River {n}?", author=lena) for n in range(3))
    Prompt.objects.update(sampling="failed", sampling_reason="Out of memory.")
    said = Program(lena).post(f"prompts/{first.pk}/retry").json()
    assert (said["sampling"], said["sampling_reason"]) == ("queued", "")
    assert Program(lena).post(f"prompts/{first.pk}/retry").status_code == 409
    assert Program(rosa).post(f"campaigns/{campaign.pk}/prompts/retry").json() == {"prompts": 2}
    listed = Program(rosa).get(f"campaigns/{campaign.pk}/prompts?sampling=failed").json()
    assert listed["results"] == []


def test_a_program_reads_the_papers_tables(campaign: Campaign, lena: User, rosa: User) -> None:
    prompt = sampled_prompt(campaign)
    Prompt.objects.update(category="chat", source="customer", author=lena, split="valid")
    ranked(prompt, lena, [1, 2, 3, 4])
    assert prompt.rankings.get().state == ClaimState.SUBMITTED
    said = Program(rosa).get(f"campaigns/{campaign.pk}/tables").json()
    assert [(row["dataset"], row["prompts"]) for row in said["sizes"]] == [("SFT", 0), ("RM", 1), ("PPO", 1)]
    assert said["categories"] == [{"name": "chat", "prompts": 1, "share": 1.0}]
    assert {"split": "valid", "dataset": "RM", "prompts": 1.0} in said["customers"]
    assert said["by_category"][0]["lengths"]["longest"] == len("Name a river.")
    assert said["as_of"] is None


def test_a_program_reads_which_policy_wins(campaign: Campaign, lena: User, lars: User, rosa: User) -> None:
    older, newer = make_policy(campaign, "older"), make_policy(campaign, "newer")
    for number in range(2):
        prompt = sampled_prompt(campaign, f"River {number}?")
        completions = prompt.completions.order_by("place")
        for completion, policy in zip(completions, (newer, newer, older, older), strict=True):
            prompt.completions.filter(pk=completion.pk).update(policy=policy)
        ranked(prompt, lena, [1, 2, 3, 4])
    (pair,) = Program(rosa).get(f"campaigns/{campaign.pk}/win-rates").json()["pairs"]
    assert (pair["winner"], pair["loser"], pair["share"]["count"]) == ("newer", "older", 8)


def test_a_program_holds_labelers_out(campaign: Campaign, rosa: User) -> None:
    program, address = Program(rosa), f"campaigns/{campaign.pk}/members"
    both = {"labelers": ["lars", "lena"], "held_out": ["lena"]}
    assert program.ask("PUT", address, both).status_code == 200
    said = program.ask("PUT", address, {"labelers": ["lena"]}).json()
    assert said == program.get(address).json()
    assert said == {"labelers": ["lena"], "held_out": ["lena"], "reviewers": []}
    wrong = program.ask("PUT", address, {"labelers": [], "held_out": ["nobody"]})
    assert wrong.status_code == 422 and campaign.labelers.count() == 1


def test_kept_figures_are_asked_for_anew(campaign: Campaign, rosa: User) -> None:
    program, address = Program(rosa), f"campaigns/{campaign.pk}/figures/tables"
    assert program.get(address).json()["is_asked_for"] is False
    assert program.get(address.replace("tables", "nothing")).status_code == 404
    asked = program.post(f"{address}/anew")
    assert (asked.status_code, asked.json()["is_asked_for"]) == (202, True)
    assert KeptFigures.objects.get().is_asked_for
