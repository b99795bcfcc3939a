"""Tests logging in and out, and passwords."""

import re

import pytest
from django.core import mail

from tests.cast import PASSWORD

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_rate_limits():
    from django.core.cache import cache

    cache.clear()
    yield
    cache.clear()


def log_in(client, name="cara", password=PASSWORD):
    return client.post("/accounts/login/", {"login": name, "password": password})


def test_logs_in_by_name_or_by_email(client, cara):
    assert log_in(client)["Location"] == "/"
    client.logout()
    assert log_in(client, "cara@example.org")["Location"] == "/"


def test_leads_on_to_the_page_that_was_asked_for(client, cara):
    response = client.post("/accounts/login/?next=/patients/", {"login": "cara", "password": PASSWORD})
    assert response["Location"] == "/patients/"


def test_a_wrong_password_says_nothing_about_the_account(client, cara):
    known, unknown = log_in(client, password="wrong"), log_in(client, name="nobody")
    errors = [re.findall(r'role="alert".*?</div>', r.content.decode(), re.DOTALL)[0] for r in (known, unknown)]
    assert errors[0] == errors[1]


def test_repeated_failures_lock_the_account_for_a_while(client, cara):
    for _ in range(5):
        log_in(client, password="wrong")
    response = log_in(client)
    assert response.status_code == 200
    assert "Too many failed login attempts" in response.content.decode()


def test_too_many_attempts_of_all_kinds_get_a_page_that_says_so(client, settings):
    settings.ACCOUNT_RATE_LIMITS = settings.ACCOUNT_RATE_LIMITS | {"reset_password": "1/m/ip"}
    for _ in range(2):
        response = client.post("/accounts/password/reset/", {"email": "cara@example.org"})
    assert response.status_code == 429
    assert "Wait five minutes" in response.content.decode()


def test_logs_out_by_a_button(login, cara):
    client = login(cara)
    assert "Log out?" in client.get("/accounts/logout/").content.decode()
    assert client.post("/accounts/logout/")["Location"] == "/accounts/login/"
    assert client.get("/")["Location"].startswith("/accounts/login/")


def test_a_person_changes_the_password(login, cara):
    new = "a new long enough secret 7"
    facts = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    assert login(cara).post("/accounts/password/change/", facts).status_code == 302
    cara.refresh_from_db()
    assert cara.check_password(new)


def test_a_weak_password_is_explained(login, cara):
    facts = {"oldpassword": PASSWORD, "password1": "short", "password2": "short"}
    assert "too short" in login(cara).post("/accounts/password/change/", facts).content.decode()


def test_a_forgotten_password_is_reset_by_mail(client, cara, worker, settings):
    settings.PUBLIC_URL = "http://testserver"
    with worker():
        response = client.post("/accounts/password/reset/", {"email": cara.email}, follow=True)
    assert "Check your e-mail" in response.content.decode()
    link = re.search(r"http://testserver(\S+)", mail.outbox[0].body).group(1)
    page = client.get(link, follow=True)
    assert "Choose a new password" in page.content.decode()
    new = "a new long enough secret 7"
    done = client.post(page.redirect_chain[-1][0], {"password1": new, "password2": new}, follow=True)
    assert "Password changed" in done.content.decode()
    assert log_in(client, password=new)["Location"] == "/"


def test_a_link_that_was_used_is_explained(client):
    response = client.get("/accounts/password/reset/key/abc-def/")
    assert "This link has expired" in response.content.decode()


def test_unknown_addresses_get_the_same_page(client):
    response = client.post("/accounts/password/reset/", {"email": "nobody@example.org"}, follow=True)
    assert "Check your e-mail" in response.content.decode()


def test_nobody_makes_an_account_for_themselves(client):
    response = client.post("/accounts/signup/", {"username": "new", "email": "new@example.org"})
    assert "Accounts are made for you" in response.content.decode()


@pytest.mark.parametrize("address", ["/accounts/reauthenticate/", "/accounts/password/change/"])
def test_pages_of_the_account_are_in_the_portals_dress(login, cara, address):
    response = login(cara).get(address)
    assert response.status_code == 200
    assert "Research use; not for diagnosis." in response.content.decode()


def test_an_address_is_changed_by_an_administrator_only(login, cara):
    client = login(cara)
    assert client.get("/accounts/email/").status_code == 404
    assert client.post("/accounts/email/", {"email": "thief@example.org", "action_add": ""}).status_code == 404
    client.post("/profile/", {"first_name": "Cara", "email": "thief@example.org", "timezone": "UTC", "theme": "dark"})
    cara.refresh_from_db()
    assert (cara.first_name, cara.email) == ("Cara", "cara@example.org")
