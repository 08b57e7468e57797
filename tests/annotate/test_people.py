"""Admins' pages of people, and one's own password."""

import re

from django.test import Client

from annotate.models import AuditEntry, Role, User
from tests.people import PASSWORD, client_of


def test_an_admin_adds_someone_who_can_sign_in(ada: User) -> None:
    answer = client_of(ada).post("/people/new", {"username": "mona", "role": "researcher"})
    shown = re.search(r'class="secret">([^<]+)<', answer.text)
    assert answer.status_code == 201
    assert "no-store" in answer["Cache-Control"]
    assert shown and Client().login(username="mona", password=shown[1])
    assert User.objects.get(username="mona").role == Role.RESEARCHER
    assert AuditEntry.objects.filter(actor=ada, verb="invited").exists()


def test_a_taken_or_odd_name_is_refused(ada: User, lena: User) -> None:
    taken = client_of(ada).post("/people/new", {"username": "lena", "role": "labeler"})
    odd = client_of(ada).post("/people/new", {"username": "le na!", "role": "labeler"})
    no_role = client_of(ada).post("/people/new", {"username": "mona", "role": "king"})
    assert [answer.status_code for answer in (taken, odd, no_role)] == [422, 422, 422]
    assert "already exists" in taken.text
    assert User.objects.count() == 2


def test_a_role_changes(ada: User, lena: User) -> None:
    client_of(ada).post(f"/people/{lena.pk}/role", {"role": "researcher"})
    lena.refresh_from_db()
    assert lena.role == Role.RESEARCHER
    entry = AuditEntry.objects.get(verb="changed role")
    assert entry.detail == {"before": "labeler", "after": "researcher"}
    assert client_of(ada).post(f"/people/{lena.pk}/role", {"role": "king"}).status_code == 422


def test_the_only_admin_stays_one(ada: User) -> None:
    demoted = client_of(ada).post(f"/people/{ada.pk}/role", {"role": "labeler"})
    left = client_of(ada).post(f"/people/{ada.pk}/deactivate")
    ada.refresh_from_db()
    assert (demoted.status_code, left.status_code) == (409, 409)
    assert "only active admin" in demoted.text
    assert ada.is_admin and ada.is_active


def test_who_is_deactivated_is_out_at_once(ada: User, lena: User) -> None:
    browser = client_of(lena)
    assert browser.get("/").status_code == 200
    client_of(ada).post(f"/people/{lena.pk}/deactivate")
    assert browser.get("/").status_code == 302
    assert not Client().login(username="lena", password=PASSWORD)
    client_of(ada).post(f"/people/{lena.pk}/reactivate")
    assert Client().login(username="lena", password=PASSWORD)


def test_a_new_password_ends_the_old_one(ada: User, lena: User) -> None:
    answer = client_of(ada).post(f"/people/{lena.pk}/password")
    shown = re.search(r'class="secret">([^<]+)<', answer.text)
    assert not Client().login(username="lena", password=PASSWORD)
    assert shown and Client().login(username="lena", password=shown[1])


def test_anyone_changes_their_own_password_and_stays_signed_in(lena: User) -> None:
    browser = client_of(lena)
    browser.post("/account", {"old": PASSWORD, "new": "quite another one"})
    assert browser.get("/").status_code == 200
    assert Client().login(username="lena", password="quite another one")


def test_a_wrong_or_weak_password_is_refused(lena: User) -> None:
    wrong = client_of(lena).post("/account", {"old": "guess", "new": "quite another one"})
    weak = client_of(lena).post("/account", {"old": PASSWORD, "new": "short"})
    assert (wrong.status_code, weak.status_code) == (422, 422)
    assert "that is not your password" in wrong.text
    assert "too short" in weak.text
    assert Client().login(username="lena", password=PASSWORD)
