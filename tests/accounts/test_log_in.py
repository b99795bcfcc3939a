"""Tests that guesses of passwords are counted by account, and reveal nothing about who has one."""

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher

from accounts.logins import account_of, login_digest
from accounts.models import Action, Event
from tests.cast import PASSWORD, make_person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fresh_limits")]


def log_in(client, login="cara", password=PASSWORD, host="testserver"):
    return client.post("/accounts/login/", {"login": login, "password": password}, headers={"Host": host})


def is_locked(response):
    return "Too many failed login attempts" in response.content.decode()


def test_another_port_in_the_host_does_not_open_the_lock(client, cara):
    for _ in range(5):
        log_in(client, password="wrong")

    assert is_locked(log_in(client, host="testserver:1"))
    assert is_locked(log_in(client, host="testserver:2"))


@pytest.mark.parametrize("spelling", ["CARA", "cara@example.org", " Cara@Example.org ", "cara"])
def test_user_name_and_address_count_together_in_every_spelling(client, cara, spelling):
    for login in ["cara", "Cara", "cara@example.org", "CARA@EXAMPLE.ORG", "cara "]:
        log_in(client, login, password="wrong")

    assert is_locked(log_in(client, spelling))


def test_a_name_that_nobody_has_is_counted_in_every_spelling(client, db):
    for login in ["ghost", "GHOST", "Ｇhost", "ghost ", "ghosT"]:
        assert not is_locked(log_in(client, login))

    assert is_locked(log_in(client, "gHost"))


def test_an_address_is_limited_whatever_the_account(client, db):
    for number in range(10):
        assert not is_locked(log_in(client, f"name-{number}"))

    assert is_locked(log_in(client, "name-10"))


def test_the_lock_of_one_account_leaves_the_others_alone(client, cara, rita):
    for _ in range(5):
        log_in(client, password="wrong")

    assert log_in(client, "rita")["Location"] == "/"


@pytest.fixture
def hashes(monkeypatch):
    """How often a password was hashed."""
    counted = []
    encode = MD5PasswordHasher.encode

    def count(self, password, salt):
        counted.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", count)
    return counted


@pytest.mark.parametrize("login", ["cara", "CARA", "cara@example.org", "nobody", "nobody@example.org"])
def test_every_login_costs_one_hash(client, cara, hashes, login):
    log_in(client, login, password="a wrong password")

    assert len(hashes) == 1


def test_a_user_name_comes_before_an_address_that_is_spelt_alike(north):
    named = make_person("x@example.org", email="other@example.org")
    make_person("other", email="x@example.org")

    assert account_of("x@example.org") == named


def test_an_inactive_account_does_not_open(client, cara):
    cara.is_active = False
    cara.save()

    assert log_in(client)["Location"] == "/accounts/inactive/"
    assert "_auth_user_id" not in client.session


def test_a_failed_log_in_of_an_unknown_name_is_searchable_but_not_readable(client, db):
    log_in(client, "Correct-Horse-99")

    event = Event.objects.get(action=Action.LOGIN_FAILED)
    assert event.actor is None
    assert event.details == {"login": login_digest("correct-horse-99")}
    assert "orse" not in str(event.details)


def test_a_failed_log_in_of_a_known_account_names_it(client, cara):
    log_in(client, "cara@example.org", password="wrong")

    event = Event.objects.get(action=Action.LOGIN_FAILED)
    assert (event.actor, event.details) == (cara, {})
