"""Webhooks, rounds of retraining, tokens and languages as programs see to them."""

from django.utils import timezone

from annotate.models import (
    ApiToken,
    AuditEntry,
    Campaign,
    Delivery,
    DeliveryState,
    Event,
    KeptAnswer,
    Retraining,
    RetrainingState,
    User,
    Webhook,
)
from tests.annotate.api import Program

PUBLIC = {"url": "https://93.184.216.34/hook", "events": ["run.finished"]}


def test_a_webhook_s_secret_is_shown_once_and_kept_nowhere(ada: User, campaign: Campaign) -> None:
    program, path = Program(ada), f"campaigns/{campaign.pk}/webhooks"
    made = program.post(path, PUBLIC, Idempotency_Key="w1")
    secret = made.json()["secret"]
    assert made.status_code == 201 and secret.startswith("whsec_") and "no-store" in made["Cache-Control"]
    again = program.post(path, PUBLIC, Idempotency_Key="w1")
    assert again.json() == made.json() | {"secret": None} and again["Idempotency-Replayed"] == "true"
    assert Webhook.objects.count() == 1 and secret not in KeptAnswer.objects.get().body
    for read in (program.get(path), program.get(f"webhooks/{made.json()['id']}")):
        assert read.status_code == 200 and secret not in read.text


def test_a_webhook_goes_nowhere_inside(ada: User, rosa: User, campaign: Campaign) -> None:
    path = f"campaigns/{campaign.pk}/webhooks"
    refused = Program(ada).post(path, PUBLIC | {"url": "https://127.0.0.1/"})
    assert refused.status_code == 422 and "public internet" in refused.json()["detail"]
    wrong = Program(ada).post(path, {"url": PUBLIC["url"], "events": ["run.slept"]}).json()
    assert [each["field"] for each in wrong["fields"]] == ["events[0]"]
    assert Program(rosa).post(path, PUBLIC).status_code == 404
    assert not Webhook.objects.exists()


def test_a_delivery_is_sent_again_and_a_webhook_removed(ada: User, rosa: User, campaign: Campaign) -> None:
    webhook = Webhook.objects.create(campaign=campaign, url=PUBLIC["url"], events=[], salt="")
    at = {"happened_at": timezone.now(), "payload": {"type": "run.failed"}, "state": DeliveryState.FAILED}
    for run in (1, 2):
        Delivery.objects.create(webhook=webhook, event=Event.RUN_FAILED, noun_id=run, attempts=8, **at)
    program, path = Program(ada), f"webhooks/{webhook.pk}"
    listed = program.get(f"{path}/deliveries").json()["results"]
    assert [each["noun_id"] for each in listed] == [2, 1]
    again = program.post(f"deliveries/{listed[0]['id']}/redeliver").json()
    assert (again["state"], again["attempts"]) == ("waiting", 0)
    assert Program(rosa).ask("DELETE", path).status_code == 404
    assert program.ask("DELETE", path).status_code == 204
    assert not Webhook.objects.exists() and not Delivery.objects.exists()


def test_a_round_of_retraining_is_begun_once(rosa: User, campaign: Campaign) -> None:
    program, path = Program(rosa), f"campaigns/{campaign.pk}/retrainings"
    program.ask("PATCH", f"campaigns/{campaign.pk}", {"retrain_after_comparisons": 9})
    due = program.get(f"campaigns/{campaign.pk}/retraining").json()
    assert (due["is_due"], due["comparisons_wanted"], due["comparisons_new"]) == (False, 9, 0)
    # No policy to train: its first run is refused, and the answer says so.
    begun = program.post(path)
    assert (begun.status_code, begun.json()["state"]) == (201, "failed") and begun.json()["decision"]
    Retraining.objects.update(state=RetrainingState.REWARD)
    assert "under way already" in program.post(path).json()["detail"]
    assert len(program.get(path).json()["results"]) == 1


def test_one_s_own_tokens_are_listed_and_revoked_and_by_admins_anyone_s(ada: User, lena: User) -> None:
    hers, reader, admins = Program(lena), Program(lena, "read"), Program(ada)
    listed = hers.get("tokens")
    assert [each["owner"] for each in listed.json()["results"]] == ["lena", "lena"]
    assert not {token.sha256 for token in ApiToken.objects.all()} & set(listed.text.split('"'))
    assert len(admins.get("tokens").json()["results"]) == 3
    first, second, third = (token.pk for token in ApiToken.objects.order_by("pk"))
    assert reader.post(f"tokens/{first}/revoke").status_code == 403
    assert hers.post(f"tokens/{third}/revoke").status_code == 404
    assert hers.post(f"tokens/{first}/revoke").json()["revoked_at"]
    assert hers.get("token").status_code == 401
    assert admins.post(f"tokens/{second}/revoke").status_code == 200
    assert reader.get("token").status_code == 401


def test_one_says_which_languages_one_reads(lena: User) -> None:
    program, path = Program(lena), "account/languages"
    assert program.ask("PUT", path, {"languages": ["en", "zh"]}).json()["languages"] == ["en", "zh"]
    wrong = program.ask("PUT", path, {"languages": ["English!"]})
    assert wrong.status_code == 422 and "English!" in wrong.json()["detail"]
    assert User.objects.get(pk=lena.pk).languages == ["en", "zh"]
    assert AuditEntry.objects.filter(actor=lena, verb="changed work").count() == 1
