"""Signing in and out, theme and language."""

import gzip
from datetime import timedelta

from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from annotate.models import User
from tests.people import PASSWORD, client_of


def test_it_signs_in_and_goes_where_the_person_was_going(lena: User) -> None:
    answer = Client().post("/sign-in", {"username": "lena", "password": PASSWORD, "next": "/prompts"})
    assert answer.status_code == 302
    assert answer["Location"] == "/prompts"


def test_it_does_not_follow_next_to_another_host(lena: User) -> None:
    answer = Client().post("/sign-in", {"username": "lena", "password": PASSWORD, "next": "//evil.example/"})
    assert answer["Location"] == "/"


def test_a_wrong_password_is_refused_and_the_name_kept(lena: User) -> None:
    answer = Client().post("/sign-in", {"username": "lena", "password": "guess"})
    assert answer.status_code == 422
    assert 'value="lena"' in answer.content.decode()


def test_guessing_is_stopped_even_with_the_right_password_at_last(lena: User) -> None:
    client = Client()
    for _ in range(5):
        client.post("/sign-in", {"username": "lena", "password": "guess"})
    answer = client.post("/sign-in", {"username": "lena", "password": PASSWORD})
    assert answer.status_code == 409
    assert "Wait five minutes" in answer.content.decode()


def test_strangers_are_sent_to_the_sign_in_page(db: None) -> None:
    answer = Client().get("/prompts")
    assert answer["Location"] == "/sign-in?next=/prompts"


def test_signing_out_takes_a_post(lena: User) -> None:
    client = client_of(lena)
    assert client.get("/sign-out").status_code == 405
    assert client.post("/sign-out")["Location"] == "/sign-in"
    assert client.get("/").status_code == 302


def test_a_session_that_is_over_or_changed_is_nobody_s(lena: User) -> None:
    client = client_of(lena)
    assert client.get("/prompts").status_code == 200
    kept = Session.objects.get()
    Session.objects.update(session_data=kept.session_data[:-2] + "xx")
    assert client.get("/prompts").status_code == 302
    Session.objects.update(session_data=kept.session_data, expire_date=timezone.now() - timedelta(seconds=1))
    client.cookies["sessionid"] = kept.session_key
    assert client.get("/prompts").status_code == 302


def test_the_theme_is_kept_and_an_unknown_one_refused(lena: User) -> None:
    client = client_of(lena)
    client.post("/theme", {"theme": "dark"})
    assert 'data-theme="dark"' in client.get("/").content.decode()
    assert client.post("/theme", {"theme": "plaid"}).status_code == 422


def test_the_language_is_kept(lena: User) -> None:
    client = client_of(lena)
    client.post("/language", {"language": "zh-hans", "next": "/"})
    assert 'lang="zh-hans"' in client.get("/").content.decode()


def test_no_page_allows_an_inline_script(lena: User) -> None:
    answer = client_of(lena).get("/")
    assert "unsafe-inline" not in answer["Content-Security-Policy"]
    assert "<script>" not in answer.content.decode()


def test_a_post_without_its_token_is_told_what_to_do(lena: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(lena)
    answer = client.post("/theme", {"theme": "dark"})
    assert answer.status_code == 403
    assert "load the page again" in answer.content.decode()


def test_a_page_that_is_not_there_says_so_in_the_product_s_look(lena: User) -> None:
    answer = client_of(lena).get("/no-such-page")
    assert answer.status_code == 404
    assert "There is no such page" in answer.content.decode()
    assert "lena" in answer.content.decode()


def test_a_page_comes_compressed_and_its_length_says_nothing(db: None) -> None:
    answers = [Client().get("/sign-in", headers={"Accept-Encoding": "br, gzip"}) for _ in range(8)]
    assert all(answer["Content-Encoding"] == "gzip" for answer in answers)
    assert all("Accept-Encoding" in answer["Vary"] for answer in answers)
    assert "</html>" in gzip.decompress(answers[0].content).decode()
    # A name of random length in gzip's header.
    assert len({answer.content.index(b"\0", 10) for answer in answers}) > 1
    assert "Content-Encoding" not in Client().get("/sign-in").headers
