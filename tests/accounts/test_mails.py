"""Mails about accounts: from a worker, with links to the public address, and to nobody without an account."""

import re
from pathlib import Path

import allauth.account
import pytest
from allauth.account.adapter import get_adapter
from django.conf import settings as portal
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from kombu.exceptions import OperationalError

from accounts import mails
from ctportal.public_url import public_url

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fresh_limits")]

OURS = Path(portal.BASE_DIR, "ctportal/templates/account/email")
THEIRS = Path(allauth.account.__file__).parents[1] / "templates/account/email"
# They belong to signing up, to several addresses of one account and to codes instead of passwords: none exists here.
NEVER_SENT = {
    "account_already_exists",
    "email_confirm",
    "email_confirmation",
    "email_confirmation_signup",
    "email_deleted",
    "login_code",
    "password_reset_code",
    "unknown_account",
}


def ask(client, email, host="testserver"):
    return client.post("/accounts/password/reset/", {"email": email}, headers={"Host": host}, follow=True)


def words_of(page):
    return page.content.decode().partition("<main")[2]


def link_in(message):
    found = re.search(r"https?://\S+", message.body)
    assert found is not None
    return found[0]


@pytest.mark.parametrize("host", ["testserver", "testserver:6666"])
def test_a_link_leads_to_the_public_address_whatever_the_host_of_the_request(client, cara, worker, settings, host):
    settings.PUBLIC_URL = "https://ct.example.org"
    with worker():
        ask(client, "cara@example.org", host)

    assert link_in(mail.outbox[0]).startswith("https://ct.example.org/accounts/password/reset/key/")


def test_an_unknown_address_gets_no_mail(client, worker):
    with worker():
        response = ask(client, "stranger@example.org")

    assert "Check your e-mail" in response.content.decode()
    assert mail.outbox == []


def test_the_page_leaves_it_to_a_worker_to_see_who_has_the_address(
    client, cara, monkeypatch, django_assert_num_queries
):
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(mails.mail_reset_link, "delay", lambda *call: asked.append(call))

    for email in ("cara@example.org", "stranger@example.org"):
        with django_assert_num_queries(0):
            client.post("/accounts/password/reset/", {"email": email})

    assert asked == [("cara@example.org", "en"), ("stranger@example.org", "en")]
    assert mail.outbox == []


def test_without_a_broker_the_page_says_the_same_of_everybody(client, cara, monkeypatch):
    def fail(email, language):
        raise OperationalError("connection refused")

    monkeypatch.setattr(mails.mail_reset_link, "delay", fail)

    known, unknown = ask(client, "cara@example.org"), ask(client, "stranger@example.org")
    assert known.status_code == 200
    assert words_of(known) == words_of(unknown)


def test_a_link_lasts_an_hour(settings):
    assert settings.PASSWORD_RESET_TIMEOUT == 3600


def test_an_inactive_account_gets_no_link(cara):
    cara.is_active = False
    cara.save()
    mails.mail_reset_link("cara@example.org")

    assert mail.outbox == []


def test_every_mail_that_allauth_knows_is_the_portals_own_or_is_never_sent():
    theirs = {path.name.removesuffix("_message.txt") for path in THEIRS.glob("*_message.txt")} - {"base"}

    assert theirs - {path.name.removesuffix("_message.txt") for path in OURS.glob("*_message.txt")} == NEVER_SENT
    for kind in NEVER_SENT:
        with pytest.raises(NotImplementedError):
            get_adapter().send_mail(f"account/email/{kind}", "x@example.org", {})


@pytest.mark.parametrize("kind", sorted({path.name.rsplit("_", 1)[0] for path in OURS.glob("*_subject.txt")}))
def test_every_mail_has_a_subject_of_one_line_and_no_link_but_the_one_for_a_password(kind):
    subject, body = (OURS / f"{kind}_subject.txt").read_text(), (OURS / f"{kind}_message.txt").read_text()

    assert len(subject.strip().splitlines()) == 1
    assert ("password_reset_url" in body) == (kind == "password_reset_key")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"hosts": ["localhost"], "port": 8080}, "http://localhost:8080"),
        ({"hosts": [".example.org"], "is_https": True}, "https://example.org"),
        ({"hosts": ["*"]}, "http://localhost:8000"),
        ({"hosts": ["ct.example.org"], "is_behind_proxy": True}, "http://ct.example.org"),
        ({"given": "https://ct.example.org/"}, "https://ct.example.org"),
    ],
)
def test_the_public_address_follows_from_the_other_settings(options, expected):
    facts = {"given": "", "hosts": ["localhost"], "port": 8000, "is_https": False, "is_behind_proxy": False} | options

    assert public_url(facts.pop("given"), **facts) == expected


@pytest.mark.parametrize("given", ["ct.example.org", "ftp://ct.example.org", "https://", "https://x.org/?a=b"])
def test_a_public_address_that_is_none_is_refused_at_the_start(given):
    with pytest.raises(ImproperlyConfigured, match="PUBLIC_URL"):
        public_url(given, hosts=[], port=8000, is_https=False, is_behind_proxy=False)
