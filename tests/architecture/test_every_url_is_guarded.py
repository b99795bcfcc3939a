"""Nobody who has not logged in is answered, but at the addresses named here."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, resolve
from django.urls.resolvers import RegexPattern

METHODS = ("get", "post", "put", "patch", "delete")
VARIABLE = re.compile(r"<(?:(\w+):)?(\w+)>")  # of a path
GROUP = re.compile(r"\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)")  # of a regular expression, as allauth and the admin write
FILLED_IN = {"slug": "north", "uidb36": "1", "key": "1-x", "app_label": "cases", "url": "elsewhere"}

# Why each is open: to log in or to set a password anew; to read that accounts are made by the administrator; to be
# found alive by a load balancer; to be read by whoever writes against the API.
OPEN = {
    "healthz",
    "healthz_live",
    "healthz_ready",
    "account_login",
    "account_logout",
    "account_signup",
    "account_inactive",
    "account_reset_password",
    "account_reset_password_done",
    "account_reset_password_from_key",
    "account_reset_password_from_key_done",
    "account_confirm_email",
    "account_email_verification_sent",
    "admin:login",
    "admin:logout",
    "api:schema",
    "api:docs",
    "api:nothing",
}


def patterns(resolver: URLResolver | None = None, prefix: str = "", names: tuple[str, ...] = ()) -> Iterator[Any]:
    """Returns every address of the portal as (name, path with its variables filled in)."""
    for entry in (resolver or get_resolver()).url_patterns:
        if isinstance(entry, URLResolver):
            space = (*names, entry.namespace) if entry.namespace else names
            yield from patterns(entry, prefix + filled_in(entry), space)
        else:
            yield ":".join((*names, entry.name or "")), f"/{prefix}{filled_in(entry)}"


def filled_in(entry: URLPattern | URLResolver) -> str:
    """The part of the address that this entry adds, in which every variable has some value."""
    pattern: Any = entry.pattern
    if hasattr(pattern, "converters") and not isinstance(pattern, RegexPattern):
        return VARIABLE.sub(lambda found: FILLED_IN.get(found[2], "1"), str(pattern))
    return GROUP.sub(lambda found: FILLED_IN[found[1]], str(pattern)).strip("^$").removesuffix(r"\Z")


def is_refused(response: HttpResponse) -> bool:
    to_login = response.status_code == 302 and response["Location"].startswith(("/accounts/login/", "/admin/login/"))
    return to_login or response.status_code in (401, 403, 404, 405)


ADDRESSES = sorted(set(patterns()))


@pytest.mark.django_db
def test_every_address_but_those_named_refuses_who_has_not_logged_in() -> None:
    client = Client()
    answered = [
        f"{method.upper()} {path} ({name}): {response.status_code}"
        for name, path in ADDRESSES
        if name not in OPEN
        for method in METHODS
        if not is_refused(response := getattr(client, method)(path))
    ]
    assert not answered, "\n".join(answered)


@pytest.mark.django_db
def test_every_address_but_those_named_exists_for_the_resolver() -> None:
    """A path that was filled in wrongly would be refused for the wrong reason."""
    named = [(name, path) for name, path in ADDRESSES if not name.endswith(":")]
    assert not [(name, path) for name, path in named if resolve(path).view_name != name]


def test_the_list_of_open_addresses_names_nothing_else() -> None:
    assert {name for name, _ in ADDRESSES} >= OPEN


def test_the_walk_found_the_portal() -> None:
    names = {name for name, _ in ADDRESSES}
    assert {"worklist", "slice-original", "labels-export", "api:scan-list", "api:slice-map", "admin:index"} <= names


@pytest.mark.django_db
def test_the_administration_has_no_log_in_of_its_own_that_would_count_no_failures(client: Client) -> None:
    response = client.post("/admin/login/", {"username": "sue", "password": "guess"})

    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/")
