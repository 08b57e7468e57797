"""Researchers' pages of a campaign: making it, its settings, instructions, members and prompts."""

from datetime import UTC, datetime

from annotate import datasets
from annotate.models import (
    AuditEntry,
    Campaign,
    Checkpoint,
    CheckpointKind,
    Prompt,
    Ranking,
    Run,
    Sampling,
    User,
    current_policy,
)
from tests.annotate.api import Program
from tests.people import client_of
from tests.rows import make_prompt, sampled_prompt

SETTINGS = {
    "name": "Kinder answers",
    "k": 4,
    "labelers_per_prompt": 2,
    "max_completion_tokens": 128,
    "temperature": 0.8,
    "lease_minutes": 30,
    "gold_percent": 0,
    "repeat_percent": 0,
    "repeat_after_items": 20,
    "repeat_after_days": 0,
    "longest_prompt": 8000,
    "is_open": "on",
}


def test_it_makes_a_campaign_that_begins_with_the_base_policy(rosa: User) -> None:
    base = Checkpoint.objects.create(kind=CheckpointKind.POLICY, name="base", stage="base", location="/b")
    answer = client_of(rosa).post("/campaigns/new", SETTINGS)
    campaign = Campaign.objects.get(name="Kinder answers")
    assert answer.url == f"/campaigns/{campaign.pk}/instructions"
    assert (campaign.k, campaign.labelers_per_prompt, campaign.temperature) == (4, 2, 0.8)
    assert campaign.created_by == rosa
    assert current_policy(campaign) == base
    assert AuditEntry.objects.filter(actor=rosa, verb="created", noun_id=campaign.pk).exists()


def test_it_names_the_field_and_keeps_what_was_typed(rosa: User) -> None:
    answer = client_of(rosa).post("/campaigns/new", SETTINGS | {"k": 10})
    assert answer.status_code == 422
    assert 'id="id_k_error"' in answer.text
    assert "less than or equal to 9" in answer.text
    assert 'value="Kinder answers"' in answer.text
    assert not Campaign.objects.exists()


def test_a_name_is_taken_once(rosa: User, campaign: Campaign) -> None:
    answer = client_of(rosa).post("/campaigns/new", SETTINGS | {"name": campaign.name})
    assert answer.status_code == 422
    assert "already exists" in answer.text


def test_it_changes_settings(rosa: User, campaign: Campaign) -> None:
    answer = client_of(rosa).post(f"/campaigns/{campaign.pk}/settings", SETTINGS)
    campaign.refresh_from_db()
    assert answer.status_code == 302
    assert (campaign.name, campaign.max_completion_tokens) == ("Kinder answers", 128)
    entry = AuditEntry.objects.get(verb="changed", noun_id=campaign.pk)
    assert entry.detail["temperature"] == 0.8


def test_bad_settings_change_nothing(rosa: User, campaign: Campaign) -> None:
    answer = client_of(rosa).post(f"/campaigns/{campaign.pk}/settings", SETTINGS | {"temperature": 9})
    campaign.refresh_from_db()
    assert answer.status_code == 422
    assert campaign.name == "Helpful answers"


def test_instructions_get_versions_and_old_ones_stay(rosa: User, campaign: Campaign) -> None:
    url = f"/campaigns/{campaign.pk}/instructions"
    client_of(rosa).post(url, {"text": "Prefer *short* answers."})
    versions = list(campaign.instructions.values_list("version", "text"))
    assert versions == [(2, "Prefer *short* answers."), (1, "Prefer **helpful**, true answers.")]
    client_of(rosa).post(url, {"text": "Prefer *short* answers. "})
    assert campaign.instructions.count() == 2
    assert "Version 1" in client_of(rosa).get(url).text


def test_empty_instructions_are_refused(rosa: User, campaign: Campaign) -> None:
    answer = client_of(rosa).post(f"/campaigns/{campaign.pk}/instructions", {"text": "  "})
    assert answer.status_code == 422
    assert campaign.instructions.count() == 1


def test_members_are_exactly_those_chosen(
    rosa: User, campaign: Campaign, lena: User, lars: User, sten: User
) -> None:
    url = f"/campaigns/{campaign.pk}/members"
    shown = client_of(rosa).get(url).text
    assert all(f'name="initial-labelers" value="{who.pk}"' in shown for who in (lena, lars))
    client_of(rosa).post(url, {"labelers": [lena.pk, sten.pk], "initial-labelers": [lena.pk, lars.pk]})
    assert set(campaign.labelers.all()) == {lena, sten}
    entry = AuditEntry.objects.get(verb="changed members")
    assert (entry.detail["added"], entry.detail["removed"]) == (["sten"], ["lars"])
    assert client_of(rosa).post(url, {"labelers": [0]}).status_code == 422


def test_two_who_choose_members_at_once_do_not_undo_each_other(
    rosa: User, ada: User, campaign: Campaign, lena: User, lars: User, sten: User
) -> None:
    url, shown = f"/campaigns/{campaign.pk}/members", [lena.pk, lars.pk]
    client_of(rosa).post(url, {"labelers": [lena.pk, lars.pk, sten.pk], "initial-labelers": shown})
    client_of(ada).post(url, {"labelers": [lena.pk], "initial-labelers": shown})
    assert set(campaign.labelers.all()) == {lena, sten}
    changed = {"labelers": {"added": ["lars"]}, "held_out": {"added": ["lars"], "removed": ["lena"]}}
    said = Program(rosa).ask("PATCH", f"campaigns/{campaign.pk}/members", changed).json()
    assert set(said["labelers"]) == {"lars", "lena", "sten"} and said["held_out"] == ["lars"]


def test_the_page_counts_what_is_there(rosa: User, campaign: Campaign) -> None:
    sampled_prompt(campaign)
    make_prompt(campaign, sampling=Sampling.FAILED, sampling_reason="The prompt is too long.")
    text = client_of(rosa).get(f"/campaigns/{campaign.pk}").text
    assert "0 of 1 rankings" in text
    assert "Sampling failed" in text
    assert "No sampling worker has been seen yet" in text


def submit(prompt: Prompt, labeler: User, day: int, seconds: float | None = None) -> None:
    at = datetime(2026, 3, day, 12, tzinfo=UTC)
    facts = {"slot": day, "state": "submitted", "submitted_at": at, "seconds": seconds}
    Ranking.objects.create(prompt=prompt, labeler=labeler, **facts)


def test_its_plots_show_rankings_so_far_and_accuracies(
    rosa: User, campaign: Campaign, lena: User, lars: User
) -> None:
    prompt = sampled_prompt(campaign)
    submit(prompt, lena, day=1)
    submit(prompt, lars, day=2)
    done = datetime(2026, 3, 3, tzinfo=UTC)
    result = {"accuracy": 0.7, "accuracy_low": 0.6, "accuracy_high": 0.8, "prompts": 9}
    Run.objects.create(campaign=campaign, stage="reward", state="succeeded", finished_at=done, result=result)
    said = client_of(rosa).get(f"/campaigns/{campaign.pk}/metrics").json()
    del result["prompts"]
    assert [numbers for _time, numbers in said["steps"]] == [{"rankings": 1}, {"rankings": 2}, result]
    assert said["steps"][2][0] == int(done.timestamp())
    assert said["families"].keys() == {"Rankings submitted", "Held-out accuracy"}


def test_the_page_says_how_many_hours_went_in_and_how_many_are_left(
    rosa: User, campaign: Campaign, lena: User
) -> None:
    campaign.labelers_per_prompt = 2
    campaign.save()
    submit(sampled_prompt(campaign), lena, day=1, seconds=3600.0)
    sampled_prompt(campaign)
    page = client_of(rosa).get(f"/campaigns/{campaign.pk}")
    assert page.context["glance"].cost == (1.0, 0.0, 3.0)
    assert "1.0 hours worked" in page.content.decode()
    said = client_of(rosa).get(f"/campaigns/{campaign.pk}/metrics").json()
    assert said["steps"][0][1] == {"rankings": 1, "hours": 1.0}


def test_held_out_labelers_answers_never_leave_for_training(
    rosa: User, campaign: Campaign, lena: User, lars: User
) -> None:
    prompt = sampled_prompt(campaign)
    submit(prompt, lena, day=1)
    submit(prompt, lars, day=2)
    url = f"/campaigns/{campaign.pk}/members"
    client_of(rosa).post(url, {"labelers": [lena.pk, lars.pk], "held_out": [lars.pk]})
    (ids, params), *_others = datasets.of_campaign(campaign).ids.values()
    assert [row.labeler for row in Ranking.objects.raw(ids, params)] == [lena]
    assert AuditEntry.objects.get(verb="held out labelers").detail == {"added": ["lars"], "removed": []}


def test_failed_prompts_are_shown_and_tried_again(rosa: User, campaign: Campaign) -> None:
    prompt = make_prompt(campaign, sampling=Sampling.FAILED, sampling_reason="The prompt is too long.")
    url = f"/campaigns/{campaign.pk}/prompts"
    assert "The prompt is too long." in client_of(rosa).get(url, {"sampling": "failed"}).text
    assert "Name a river." not in client_of(rosa).get(url, {"sampling": "sampled"}).text
    client_of(rosa).post(f"{url}/retry")
    prompt.refresh_from_db()
    assert prompt.sampling == Sampling.QUEUED
