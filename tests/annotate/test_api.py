"""The API: pages of rows, writes done once, problems that name the field, and the way of a ranking."""

import json

import pytest
from django.test import Client

from annotate.actions import carrying
from annotate.actions.demonstrations import write_own_demonstration
from annotate.actions.snapshots import take_snapshot
from annotate.models import (
    AuditEntry,
    Campaign,
    Checkpoint,
    ClaimState,
    Demonstration,
    Instructions,
    Notice,
    Prompt,
    Ranking,
    RunMetric,
    User,
    current_policy,
)
from tests.annotate.api import Program
from tests.rows import POLICY_NAME, make_policy, make_prompt, promoted_policy, sampled_prompt

NEW = {"name": "Second", "k": 5}
CUSTOMERS = {
    "prompts": [
        {
            "id": "chat-1",
            "messages": [{"role": "user", "content": "Name a sea."}],
            "customer": "org-7",
            "notice": {"version": "2026-03", "shown_at": "2026-03-01T10:00:00Z"},
        },
        {
            "messages": [{"role": "user", "content": "Name a lake."}],
            "customer": "org-7",
            "notice": {"version": "2026-03", "shown_at": "2026-03-01T10:00:00Z"},
        },
    ]
}


def test_a_list_comes_in_pages_that_new_rows_do_not_shift(rosa: User, campaign: Campaign) -> None:
    for number in range(5):
        make_prompt(campaign, f"Prompt {number}")
    program = Program(rosa)
    first = program.get(f"campaigns/{campaign.pk}/prompts?limit=3").json()
    make_prompt(campaign, "Later")
    rest = Client().get(first["next"], headers=program.headers).json()
    said = [row["messages"][0]["content"] for row in first["results"] + rest["results"]]
    assert said == [*(f"Prompt {number}" for number in range(5)), "Later"]
    assert rest["next"] is None


def test_a_made_up_cursor_is_refused(rosa: User, campaign: Campaign) -> None:
    for cursor in ("nonsense", "cD14", "cD0tMQ=="):
        assert Program(rosa).get(f"campaigns?cursor={cursor}").status_code == 404


@pytest.mark.parametrize("limit", ["nonsense", "0", "-1", "501", "2.5", "", "9" * 5000, "²"])
def test_a_made_up_limit_is_refused_by_name(rosa: User, campaign: Campaign, limit: str) -> None:
    answer = Program(rosa).get(f"campaigns?limit={limit}")
    assert answer.status_code == 422
    (field,) = answer.json()["fields"]
    assert field["field"] == "limit" and field["message"]


def test_the_same_key_and_body_is_done_once(rosa: User) -> None:
    program = Program(rosa)
    first = program.post("campaigns", NEW, Idempotency_Key="k1")
    again = program.post("campaigns", NEW, Idempotency_Key="k1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert again["Idempotency-Replayed"] == "true"
    assert Campaign.objects.count() == 1


def test_the_same_key_with_another_body_is_refused(rosa: User) -> None:
    program = Program(rosa)
    program.post("campaigns", NEW, Idempotency_Key="k1")
    other = program.post("campaigns", NEW | {"k": 6}, Idempotency_Key="k1")
    assert other.status_code == 422 and "Idempotency-Key" in other.json()["detail"]
    assert Program(rosa).post("campaigns", NEW | {"name": "Third"}, Idempotency_Key="k1").status_code == 201


def test_a_refusal_is_not_kept(rosa: User) -> None:
    program = Program(rosa)
    assert program.post("campaigns", {"name": ""}, Idempotency_Key="k1").status_code == 422
    assert program.post("campaigns", {"name": ""}, Idempotency_Key="k1").status_code == 422
    assert program.post("campaigns", NEW, Idempotency_Key="k1").status_code == 201


def test_a_problem_names_the_field(rosa: User, campaign: Campaign) -> None:
    said = Program(rosa).post("campaigns", {"name": "x", "k": 40}).json()
    assert [each["field"] for each in said["fields"]] == ["k"]
    body = {"prompts": [CUSTOMERS["prompts"][0], {"customer": "x", "messages": []}]}
    said = Program(rosa).post(f"campaigns/{campaign.pk}/customer-prompts", body).json()
    assert {each["field"] for each in said["fields"]} == {"prompts[1].messages", "prompts[1].notice"}
    said_by = [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": "Hello."}]
    body = {"prompts": [CUSTOMERS["prompts"][0] | {"messages": said_by}]}
    said = Program(rosa).post(f"campaigns/{campaign.pk}/customer-prompts", body).json()
    assert said["detail"] == "prompts[0].messages: The last message must be the user's."
    taken = Program(rosa).post("campaigns", {"name": campaign.name}).json()
    assert taken["status"] == 422 and taken["detail"].startswith("name: ")


def test_what_cannot_be_read_is_a_problem_too(rosa: User) -> None:
    headers = Program(rosa).headers
    nested, broken = b"[" * 100_000, b'{"name": '
    for body, status in ((nested, 400), (broken, 400), (b"\xff", 400), (b"{" + b" " * 5_000_000, 413)):
        answer = Client().post("/api/campaigns", body, "application/json", headers=headers)
        assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    assert Client().post("/api/campaigns", {"name": "x"}, headers=headers).status_code == 415


def test_customers_prompts_come_with_their_notice(rosa: User, campaign: Campaign) -> None:
    program, path = Program(rosa, "prompts"), f"campaigns/{campaign.pk}/customer-prompts"
    answer = program.post(path, CUSTOMERS)
    assert answer.status_code == 201, answer.content
    assert [row["source"] for row in answer.json()["prompts"]] == ["customer", "customer"]
    assert {row["author"] for row in answer.json()["prompts"]} == {"customer:org-7"}
    assert Notice.objects.filter(version="2026-03", recorded_by=rosa).count() == 2
    program.post(path, {"prompts": CUSTOMERS["prompts"][:1]})
    assert (Prompt.objects.count(), Notice.objects.count()) == (2, 2)


def test_one_bad_customer_prompt_keeps_all_out(rosa: User, campaign: Campaign) -> None:
    ahead = {"version": "1", "shown_at": "2999-01-01T00:00:00Z"}
    body = {"prompts": [CUSTOMERS["prompts"][0], CUSTOMERS["prompts"][1] | {"notice": ahead}]}
    answer = Program(rosa).post(f"campaigns/{campaign.pk}/customer-prompts", body)
    assert answer.status_code == 422 and "Prompt 2" in answer.json()["detail"]
    assert not Prompt.objects.exists() and not User.objects.filter(username="customer:org-7").exists()


def test_a_labeler_adds_prompts_of_their_own(lena: User, lars: User, campaign: Campaign) -> None:
    path, messages = f"campaigns/{campaign.pk}/prompts", [{"role": "user", "content": "Hello?"}]
    added = Program(lena).post(path, {"prompts": [{"messages": messages, "flags": ["opinion"]}]})
    assert added.status_code == 201
    assert Prompt.objects.get().author == lena
    assert len(Program(lena).get(path).json()["results"]) == 1
    assert Program(lars).get(path).json()["results"] == []
    long = {"prompts": [{"messages": messages}, {"messages": [{"role": "user", "content": "x" * 9000}]}]}
    assert Program(lena).post(path, long).json()["detail"].startswith("Prompt 2: ")
    assert Prompt.objects.count() == 1


def test_a_ranking_goes_its_way(lena: User, campaign: Campaign) -> None:
    sampled_prompt(campaign)
    program = Program(lena)
    claimed = program.post(f"campaigns/{campaign.pk}/rankings/next").json()
    assert POLICY_NAME not in json.dumps(claimed)
    path = f"rankings/{claimed['id']}"
    judged = [
        {"letter": one["letter"], "rank": place, "rating": 5}
        for place, one in enumerate(claimed["outputs"], 1)
    ]
    draft = program.ask("PUT", f"{path}/draft", {"outputs": judged[:1]}).json()
    assert (draft["state"], draft["outputs"][0]["rank"]) == ("claimed", 1)
    assert (
        "Output B has no rating" in program.post(f"{path}/submit", {"outputs": judged[:1]}).json()["detail"]
    )
    said = program.post(f"{path}/submit", {"outputs": judged, "notes": "Close."}).json()
    assert (said["state"], said["notes"]) == ("submitted", "Close.")
    assert program.post(f"{path}/undo").json()["state"] == "claimed"
    assert program.post(f"{path}/skip", {"kind": "unclear"}).json()["state"] == "skipped"
    assert Ranking.objects.get().skip_kind == "unclear"
    assert program.post(f"campaigns/{campaign.pk}/rankings/next").status_code == 204


def test_a_demonstration_goes_its_way(lena: User, campaign: Campaign) -> None:
    make_prompt(campaign)
    program = Program(lena)
    claimed = program.post(f"campaigns/{campaign.pk}/demonstrations/next").json()
    path = f"demonstrations/{claimed['id']}"
    assert program.ask("PUT", f"{path}/draft", {"text": "The Rh"}).json()["text"] == "The Rh"
    assert program.post(f"{path}/submit", {"text": "The Rhine."}).json()["state"] == "submitted"
    assert Demonstration.objects.get().state == ClaimState.SUBMITTED


def test_a_run_is_started_and_cancelled(rosa: User, lena: User, campaign: Campaign) -> None:
    policy = promoted_policy(campaign)
    Checkpoint.objects.update(location="/somewhere")
    write_own_demonstration(make_prompt(campaign), lena, "The Rhine.")
    program, path = Program(rosa), f"campaigns/{campaign.pk}/runs"
    refused = program.post(path, {"stage": "sft", "config": {"no_such": 1}})
    assert refused.status_code == 422 and "no_such" in refused.json()["detail"]
    assert program.post(path, {"stage": "reward"}).status_code == 409
    run = program.post(path, {"stage": "sft", "config": {"epochs": 3}}).json()
    assert (run["state"], run["policy"], run["config"]["epochs"]) == ("queued", policy.pk, 3)
    RunMetric.objects.create(run_id=run["id"], step=1, values={"loss": 2.5})
    assert program.get(f"runs/{run['id']}/metrics").json()["results"] == [
        {"step": 1, "values": {"loss": 2.5}}
    ]
    assert program.post(f"runs/{run['id']}/cancel").json()["state"] == "cancelled"
    assert program.post(f"runs/{run['id']}/cancel").status_code == 409
    assert program.post(f"runs/{run['id']}/retry").json()["state"] == "queued"


def test_a_policy_is_promoted(rosa: User, campaign: Campaign) -> None:
    policy = make_policy(campaign)
    program, path = Program(rosa), f"campaigns/{campaign.pk}/promotions"
    assert program.post(path, {"policy": policy.pk, "reason": "Better."}).status_code == 409
    Checkpoint.objects.update(location="/somewhere")
    made = program.post(path, {"policy": policy.pk, "reason": "Better."})
    assert (made.status_code, made.json()["promoted_by"]) == (201, "rosa")
    assert current_policy(campaign) == policy
    assert program.get("checkpoints").json()["results"][0]["id"] == policy.pk


def test_a_snapshot_is_asked_for_and_a_worker_takes_it(rosa: User, campaign: Campaign) -> None:
    make_prompt(campaign, "Name a river.")
    program, path = Program(rosa), f"campaigns/{campaign.pk}/snapshots"
    assert "nobody is called" in program.post(path, {"labelers": ["nemo"]}).json()["detail"]
    asked = program.post(path, {"splits": ["train"]}, Idempotency_Key="s1")
    assert (asked.status_code, asked.json()["state"]) == (202, "queued")
    assert program.post(path, {"splits": ["train"]}, Idempotency_Key="s1").json() == asked.json()
    carrying.work(asked.json()["id"])
    address = asked.json()["address"].removeprefix("/api/")
    taken = program.get(f"snapshots/{program.get(address).json()['snapshot']}").json()
    assert taken["query"] == {"splits": ["train"]} and taken["manifest"]["prompts"]["rows"] == 1
    assert taken["sha256"] in program.get(f"snapshots/{taken['id']}/card").text


def test_snapshots_are_downloaded_by_admins(ada: User, rosa: User, campaign: Campaign) -> None:
    make_prompt(campaign, "Name a river.")
    files = f"snapshots/{take_snapshot(campaign, rosa).pk}/files"
    assert Program(rosa).get(f"{files}/prompts").status_code == 404
    line = b"".join(Program(ada).get(f"{files}/prompts").streaming_content)
    assert json.loads(line)["prompt"][0]["content"] == "Name a river."
    export = Program(ada).get(f"campaigns/{campaign.pk}/exports/prompts")
    assert b"".join(export.streaming_content) == line
    assert set(AuditEntry.objects.filter(actor=ada).values_list("verb", flat=True)) >= {
        "downloaded",
        "exported",
    }
    assert Program(ada).get(f"{files}/..%2Fmanifest").status_code == 404


def test_a_campaign_is_changed_and_told_about(rosa: User, lena: User, campaign: Campaign) -> None:
    program, path = Program(rosa), f"campaigns/{campaign.pk}"
    assert program.ask("PATCH", path, {"k": 7}).json()["k"] == 7
    program.post(f"{path}/instructions", {"text": "Be kind."})
    assert Instructions.objects.filter(campaign=campaign, version=2, text="Be kind.").exists()
    assert program.ask("PUT", f"{path}/members", {"labelers": ["lena"]}).json()["labelers"] == ["lena"]
    assert list(campaign.labelers.all()) == [lena]
    assert program.get(f"{path}/progress").json()["prompts"] == 0
    assert program.get(f"{path}/agreement").json()["agreement"]["value"] is None
    assert Program(lena).ask("PATCH", path, {"k": 3}).status_code == 404


def test_an_admin_adds_a_person_and_shuts_one_out(ada: User, lena: User) -> None:
    program = Program(ada)
    made = program.post("people", {"username": "mona", "role": "labeler"}).json()
    password = program.post(f"people/{made['id']}/password").json()["password"]
    assert Client().login(username="mona", password=password)
    changed = program.ask("PATCH", f"people/{lena.pk}", {"is_active": False, "role": "researcher"}).json()
    assert (changed["is_active"], changed["role"]) == (False, "researcher")
    assert Program(None).get("people").status_code == 401
