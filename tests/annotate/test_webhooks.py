"""Webhooks: what they are told, how it is signed, tried again and logged, and where they never go."""

import base64
import hashlib
import hmac
import json
import re
import socket
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from annotate import outside
from annotate.actions import deliveries, webhooks
from annotate.errors import Invalid
from annotate.models import (
    AuditEntry,
    Campaign,
    Delivery,
    DeliveryState,
    Event,
    Promotion,
    Prompt,
    Run,
    RunState,
    Sampling,
    Snapshot,
    User,
    Webhook,
)
from tests.annotate.api import Program
from tests.people import client_of
from tests.rows import make_policy, sampled_prompt

INSIDE = """
    127.0.0.1 10.0.0.1 172.16.3.4 192.168.1.1 169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1 240.0.0.1
    255.255.255.255 ::1 :: fe80::1 fc00::1 fd00:ec2::254 ::ffff:127.0.0.1 ::ffff:169.254.169.254
    64:ff9b::7f00:1 2002:7f00:1:: 2001:0:7f00:1:: ff02::1"""
REFUSED = """
    https://127.0.0.1/ https://localhost/ https://[::1]/ https://2130706433/ https://0x7f.1/
    http://93.184.216.34/ https://169.254.169.254/latest/meta-data ftp://93.184.216.34/ nonsense
    https://user:pw@93.184.216.34/ https:/// https://x:99999/ https://[::ffff:10.0.0.1]/"""


class Receiver(HTTPServer):
    """A program that keeps what it is sent, and answers with the status it is told to."""

    status = 204
    got: list[tuple[dict[str, str], bytes]]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook?a=1"


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(self.server.status)
        self.send_header("Location", "http://127.0.0.1/elsewhere")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    settings.WEBHOOK_INTERNAL_HOSTS = ["127.0.0.1"]
    server = Receiver(("127.0.0.1", 0), Handler)
    server.got = []
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def webhook(receiver: Receiver, campaign: Campaign, ada: User) -> Webhook:
    made, _secret = webhooks.add_webhook(campaign, ada, receiver.url, Event.values)
    return made


def run_that_ended(campaign: Campaign, state: RunState = RunState.FAILED) -> Run:
    ended = {"state": state, "finished_at": timezone.now(), "reason": "Out of memory."}
    return Run.objects.create(campaign=campaign, stage="reward", **ended)


def send_all() -> None:
    webhooks.find_untold()
    for delivery in Delivery.objects.order_by("pk"):
        deliveries.deliver(delivery.pk)


def test_it_is_told_what_happens_once(webhook: Webhook, receiver: Receiver, campaign: Campaign) -> None:
    failed, done = run_that_ended(campaign), run_that_ended(campaign, RunState.SUCCEEDED)
    Snapshot.objects.create(campaign=campaign, sha256="a" * 64, manifest={}, location="")
    Promotion.objects.create(campaign=campaign, policy=make_policy(), reason="Better.")
    prompt = sampled_prompt(campaign)
    Prompt.objects.filter(pk=prompt.pk).update(rankings_held=1)
    send_all()
    send_all()
    told = [json.loads(body) for _headers, body in receiver.got]
    assert sorted(one["type"] for one in told) == sorted(Event.values)
    data = {one["type"]: one["data"] for one in told}
    assert data["run.failed"]["run"] == failed.pk and data["run.finished"]["run"] == done.pk
    assert data["run.failed"]["reason"] == "Out of memory."


def test_it_is_told_nothing_of_other_campaigns_or_before(webhook: Webhook, campaign: Campaign) -> None:
    run_that_ended(Campaign.objects.create(name="Other"))
    run = run_that_ended(campaign)
    Run.objects.filter(pk=run.pk).update(finished_at=webhook.created_at - timedelta(minutes=1))
    assert webhooks.find_untold() == 0


def test_a_goal_that_is_not_reached_is_not_told(webhook: Webhook, campaign: Campaign) -> None:
    sampled_prompt(campaign)
    assert webhooks.find_untold() == 0
    Prompt.objects.update(rankings_held=1)
    assert webhooks.find_untold() == 1
    assert webhooks.find_untold() == 0
    sampled_prompt(campaign, "Another.")
    Prompt.objects.filter(sampling=Sampling.SAMPLED).update(rankings_held=1)
    assert webhooks.find_untold() == 1


def test_a_message_is_signed_as_standard_webhooks_say(webhook: Webhook, receiver: Receiver) -> None:
    run_that_ended(webhook.campaign)
    send_all()
    ((headers, body),) = receiver.got
    key = base64.b64decode(deliveries.secret_of(webhook).removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{digest}"
    assert abs(int(headers["webhook-timestamp"]) - timezone.now().timestamp()) < 60
    assert headers["webhook-id"] == f"msg_{Delivery.objects.get().pk}"


def test_the_secret_is_stored_nowhere(webhook: Webhook, settings: Settings) -> None:
    secret = deliveries.secret_of(webhook)
    stored = str(list(Webhook.objects.values())) + str(list(AuditEntry.objects.values()))
    assert secret not in stored and secret.removeprefix("whsec_") not in stored
    settings.SECRET_KEY = "another installation's"
    assert deliveries.secret_of(webhook) != secret


def test_a_refused_message_is_tried_again_later_and_given_up_at_last(
    webhook: Webhook, receiver: Receiver
) -> None:
    receiver.status = 500
    run_that_ended(webhook.campaign)
    send_all()
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempts, delivery.status) == (DeliveryState.WAITING, 1, 500)
    assert delivery.due_at and delivery.due_at > timezone.now()
    send_all()
    assert len(receiver.got) == 1, "it waits"
    for _attempt in deliveries.PAUSES:
        Delivery.objects.update(due_at=timezone.now())
        send_all()
    delivery.refresh_from_db()
    assert (delivery.state, len(receiver.got)) == (DeliveryState.FAILED, 1 + len(deliveries.PAUSES))


def test_a_redirect_is_not_followed(webhook: Webhook, receiver: Receiver) -> None:
    receiver.status = 307
    run_that_ended(webhook.campaign)
    send_all()
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.status, len(receiver.got)) == (DeliveryState.WAITING, 307, 1)


def test_who_does_not_answer_is_tried_again(webhook: Webhook, receiver: Receiver) -> None:
    Webhook.objects.update(url="http://127.0.0.1:1/")
    run_that_ended(webhook.campaign)
    send_all()
    delivery = Delivery.objects.get()
    assert delivery.state == DeliveryState.WAITING and "refused" in delivery.error


def test_an_admin_sends_one_again_with_the_same_id(webhook: Webhook, receiver: Receiver, ada: User) -> None:
    run_that_ended(webhook.campaign)
    send_all()
    delivery = Delivery.objects.get()
    page = client_of(ada).get(f"/webhooks/{webhook.pk}").text
    assert "run.failed" in page and "Delivered" in page
    client_of(ada).post(f"/deliveries/{delivery.pk}/redeliver")
    send_all()
    ids = [headers["webhook-id"] for headers, _body in receiver.got]
    assert ids == [f"msg_{delivery.pk}"] * 2


def test_paused_it_is_sent_nothing_and_resumed_what_happened_meanwhile(
    webhook: Webhook, receiver: Receiver, ada: User
) -> None:
    run_that_ended(webhook.campaign)
    webhooks.find_untold()
    client = client_of(ada)
    client.post(f"/webhooks/{webhook.pk}/pause")
    run_that_ended(webhook.campaign)
    send_all()
    assert not receiver.got and "Paused" in client.get(f"/webhooks/{webhook.pk}").text
    refused = client.post(f"/deliveries/{Delivery.objects.get().pk}/redeliver")
    assert refused.status_code == 409 and "Resume it first" in refused.text
    client.post(f"/webhooks/{webhook.pk}/resume")
    send_all()
    assert len(receiver.got) == 2


def test_it_pauses_itself_once_five_deliveries_in_a_row_are_given_up(
    webhook: Webhook, receiver: Receiver, ada: User
) -> None:
    for status in (500, 204, 500, 500, 500, 500, 500):
        webhook.refresh_from_db()
        assert webhook.is_active
        receiver.status = status
        run_that_ended(webhook.campaign)
        webhooks.find_untold()
        Delivery.objects.update(attempts=len(deliveries.PAUSES))
        send_all()
    webhook.refresh_from_db()
    assert not webhook.is_active and AuditEntry.objects.filter(actor=None, noun="webhook").count() == 1
    assert "5 deliveries in a row were given up" in client_of(ada).get(f"/webhooks/{webhook.pk}").text


def test_it_is_changed_by_page_and_by_program(webhook: Webhook, receiver: Receiver, ada: User) -> None:
    program, path = Program(ada), f"webhooks/{webhook.pk}"
    secret = deliveries.secret_of(webhook)
    said = program.ask("PATCH", path, {"events": ["snapshot.taken", "run.failed"], "is_active": False}).json()
    assert (said["events"], said["is_active"]) == (["run.failed", "snapshot.taken"], False)
    assert program.ask("PATCH", path, {"url": "https://10.0.0.1/"}).status_code == 422
    sent = {"url": "https://10.0.0.1/", "events": ["run.failed"]}
    refused = client_of(ada).post(f"/{path}", sent)
    assert refused.status_code == 422 and 'value="https://10.0.0.1/"' in refused.text
    client_of(ada).post(f"/{path}", sent | {"url": f"{receiver.url}b"})
    webhook.refresh_from_db()
    assert (webhook.url, webhook.events, webhook.is_active) == (f"{receiver.url}b", ["run.failed"], False)
    assert deliveries.secret_of(webhook) == secret


@pytest.mark.parametrize("ip", INSIDE.split())
def test_an_inside_address_is_refused(ip: str) -> None:
    assert not outside.is_public(ip)


@pytest.mark.parametrize("ip", ["93.184.216.34", "8.8.8.8", "2606:2800:220:1::1"])
def test_a_public_address_is_not(ip: str) -> None:
    assert outside.is_public(ip)


@pytest.mark.parametrize("url", REFUSED.split())
def test_it_is_refused_as_it_is_saved(url: str, ada: User, campaign: Campaign) -> None:
    answer = client_of(ada).post(f"/campaigns/{campaign.pk}/webhooks", {"url": url, "events": ["run.failed"]})
    assert answer.status_code == 422 and "Address: " in answer.text
    assert not Webhook.objects.exists()


def test_a_name_that_moves_inside_is_refused_as_it_is_sent(
    ada: User, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = {"ip": "93.184.216.34"}
    resolve = lambda *args, **kwargs: [(2, 1, 6, "", (where["ip"], 443))]  # noqa: E731
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", lambda *args: pytest.fail("it connected"))
    url = {"url": "https://rebinding.example/", "events": ["run.failed"]}
    answer = client_of(ada).post(f"/campaigns/{campaign.pk}/webhooks", url)
    assert answer.status_code == 201 and re.search(r'class="secret">whsec_[^<]+<', answer.text)
    where["ip"] = "127.0.0.1"
    run_that_ended(campaign)
    send_all()
    delivery = Delivery.objects.get()
    assert delivery.state == DeliveryState.WAITING and "not on the public internet" in delivery.error


def test_it_connects_to_the_address_that_was_checked(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.WEBHOOK_INTERNAL_HOSTS = ["inside.example"]
    answers = iter([["127.0.0.1"], ["10.9.9.9"]])
    resolve = lambda *args, **kwargs: [(2, 1, 6, "", (ip, 0)) for ip in next(answers)]  # noqa: E731
    monkeypatch.setattr(outside.socket, "getaddrinfo", resolve)
    connected: list[Any] = []
    connect = socket.socket
    url = f"http://inside.example:{receiver.server_port}/"

    def to(address: tuple[str, int], timeout: float) -> socket.socket:
        connected.append(address)
        wire = connect()
        wire.settimeout(timeout)
        wire.connect(address)
        return wire

    monkeypatch.setattr(outside.socket, "create_connection", to)
    assert outside.post(url, b"{}", {}) == 204
    assert connected == [("127.0.0.1", receiver.server_port)]
    assert receiver.got[0][0]["host"] == f"inside.example:{receiver.server_port}"


def test_an_operator_alone_opens_the_inside(settings: Settings) -> None:
    with pytest.raises(Invalid):
        outside.check("http://127.0.0.1/")
    settings.WEBHOOK_INTERNAL_HOSTS = ["127.0.0.1"]
    assert outside.check("http://127.0.0.1/").ip == "127.0.0.1"
