"""Tokens: made on a page, stored as a hash, good for their scopes until they expire or are revoked."""

import re
from datetime import timedelta

from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from annotate.actions.tokens import make_token
from annotate.models import ApiToken, Campaign, User
from tests.annotate.api import Program
from tests.people import client_of


def test_a_token_is_shown_once_and_stored_as_a_hash(lena: User) -> None:
    asked = {"name": "My script", "scopes": ["read", "label"], "days": "30"}
    answer = client_of(lena).post("/account/tokens", asked)
    shown = re.search(r'class="secret">([^<]+)<', answer.text)
    assert answer.status_code == 201 and "no-store" in answer["Cache-Control"]
    assert shown
    stored = ApiToken.objects.values().get()
    assert shown[1] not in str(stored)
    headers = {"Authorization": f"Bearer {shown[1]}"}
    said = Client().get("/api/token", headers=headers).json()
    assert (said["owner"]["username"], said["scopes"]) == ("lena", ["read", "label"])
    page = client_of(lena).get("/account/tokens").text
    assert "My script" in page and shown[1] not in page


def test_a_token_without_name_or_scope_is_refused(lena: User) -> None:
    answer = client_of(lena).post("/account/tokens", {"name": "", "days": "30"})
    assert answer.status_code == 422
    assert not ApiToken.objects.exists()


def test_a_token_that_is_not_good_opens_nothing(lena: User) -> None:
    program = Program(lena)
    assert program.get("token").status_code == 200
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    expired = program.get("token")
    ApiToken.objects.update(expires_at=timezone.now() + timedelta(days=1))
    client_of(lena).post(f"/tokens/{ApiToken.objects.get().pk}/revoke")
    revoked = program.get("token")
    ApiToken.objects.update(revoked_at=None)
    User.objects.update(is_active=False)
    shut_out = program.get("token")
    assert {answer.status_code for answer in (expired, revoked, shut_out)} == {401}
    assert expired["Content-Type"] == "application/problem+json"
    assert expired["WWW-Authenticate"] == "Bearer"


def test_a_browser_s_session_opens_nothing(ada: User) -> None:
    assert client_of(ada).get("/api/token").status_code == 401


def test_a_scope_is_needed_and_named(rosa: User, campaign: Campaign) -> None:
    reader, writer = Program(rosa, "read"), Program(rosa, "campaigns")
    path, body = f"campaigns/{campaign.pk}/instructions", {"text": "Be kind."}
    assert reader.get(path).status_code == 200
    assert writer.post(path, body).status_code == 201
    refused = reader.post(path, body)
    assert refused.status_code == 403 and "“campaigns”" in refused.json()["detail"]
    assert writer.get(path).status_code == 403


def test_only_an_admin_sees_and_revokes_others(ada: User, lena: User, lars: User) -> None:
    token, _text = make_token(lena, "Hers", ["read"], 1)
    assert client_of(lars).post(f"/tokens/{token.pk}/revoke").status_code == 404
    assert client_of(lars).get("/tokens").status_code == 404
    assert "Hers" in client_of(ada).get("/tokens").text
    assert client_of(ada).post(f"/tokens/{token.pk}/revoke").url == "/tokens"
    token.refresh_from_db()
    assert token.revoked_at


def test_too_many_requests_wait(lena: User, settings: Settings) -> None:
    settings.API_REQUESTS_A_MINUTE = 2
    program, other = Program(lena), Program(lena)
    # A minute may end in between, so more are sent than any minute takes.
    statuses = [program.get("token").status_code for _count in range(6)]
    assert statuses[:2] == [200, 200] and 429 in statuses
    assert other.get("token").status_code == 200
    ApiToken.objects.update(minute=timezone.now() - timedelta(minutes=2))
    assert program.get("token").status_code == 200


def test_a_token_costs_one_query(lena: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    program = Program(lena)
    with django_assert_num_queries(1):
        program.get("token")
