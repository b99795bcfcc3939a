"""Every address, taken from the resolver, answers every caller as its rule says; one without a rule fails the test.

The objects exist and belong to Radiology North, in each state that they can be in. Each request is undone.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.cookies import SimpleCookie
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from accounts.models import Action, Event, PersonSession
from accounts.tokens import issue_token
from cases.casework import withdraw_scan
from cases.models import Case
from inference.models import Prediction
from learning.models import ComparisonRequest, GateOverride
from tests.access.rules import (
    ABSENT,
    DENIED,
    HIDDEN_WHEN_BLINDED,
    IN,
    INVALID,
    LOG_IN,
    NO_METHOD,
    RULES,
    TAKEN_AS,
    UNWELL,
    scopes_of,
)
from tests.api.calls import client_of
from tests.cast import answer, make_case, make_scan
from tests.pages.learning_cast import make_comparison, make_dataset, make_model, make_run

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
CALLERS = ("anonymous", "cara", "rita", "max", "sue", "otto")
TRY_ALL_METHODS = ("anonymous", "sue")  # no role gives a method that an address does not have
LOOKS = (Action.PATIENT_VIEWED, Action.CASE_VIEWED, Action.LIST_VIEWED)
LOOKS_OR_ACTS = (*LOOKS, Action.PATIENT_AMENDED, Action.UPLOAD_REFUSED)

WANT_A_REASON = (
    "api:case-cancel",
    "api:case-reopen",
    "api:scan-split",
    "api:scan-withdraw",
    "api:comparison-override",
    "api:model-refuse",
    "api:model-roll-back",
)


class Undone(Exception):
    """Takes back what a request did."""


@dataclass
class World:
    """Holds objects by the name that addresses give them, in all their states, and what forms send
    of them.

    `decided` holds the addresses that show a blinded reader the model's answer, since it is decided upon.
    """

    objects: dict[str, list[int]]
    bodies: dict[str, dict[str, Any]]
    decided: set[str]
    faults: list[str] = field(default_factory=list)


@pytest.fixture
def world(north, south, cara, rita, rob, max, sue, otto, anna, jonas, media, tmp_path, review) -> World:
    champion = make_model(tmp_path, "1", status="active")
    challenger = make_model(tmp_path, "2")
    case, closed, waits = (make_case(anna) for _ in range(3))
    scan, withdrawn, late, running, failed = (make_scan(of, cara) for of in (case, case, closed, waits, waits))
    for answered in (scan, withdrawn, late):
        answer(answered, champion)
    for reader in (rita, rob):
        review(late, reader)
    withdraw_scan(scan=withdrawn, user=cara, reason="A slip.")
    Case.objects.filter(pk=closed.pk).update(status="closed", closed_at=closed.created_at)
    Prediction.objects.filter(scan=failed).update(status="failed", error="The model refused.", attempts=3)
    held = {"claim": uuid.uuid4(), "lease_until": timezone.now() + timedelta(hours=1), "started_at": timezone.now()}
    Prediction.objects.filter(scan=running).update(status="running", attempts=1, **held)
    dataset = make_dataset(north, user=max)
    comparison = make_comparison(dataset, champion, challenger)
    asked = ComparisonRequest.objects.create(dataset=dataset, champion=champion, challenger=challenger)
    override = GateOverride.objects.create(comparison=comparison, requested_by=max, reason="The scanner changed.")
    runs = [make_run(dataset, model=challenger), make_run(dataset, "running")]
    token, _ = issue_token(user=rita, name="rita's", scopes=["read"], days=1)
    session = PersonSession.objects.create(user=rita, key="another")
    predictions = [Prediction.objects.get(scan=one).pk for one in (scan, late, running, failed)]
    objects = {
        "patient": [anna.pk],
        "case": [case.pk, closed.pk],
        "case-join": [case.pk],
        "scan": [scan.pk, withdrawn.pk, late.pk],
        "slice": [scan.slices.get().pk, late.slices.get().pk],
        "prediction": predictions,
        "review": [late.reviews.first().pk],
        "dataset": [dataset.pk],
        "training": [run.pk for run in runs],
        "comparison-request": [asked.pk],
        "comparison": [comparison.pk],
        "override-decide": [override.pk],
        "override": [comparison.pk],
        "model-promote": [comparison.pk],
        "model": [champion.pk, challenger.pk],
        "site-acceptance": [champion.pk],
        "shadow": [challenger.pk],
        "member": [cara.memberships.get().pk],
        "token": [token.pk],
        "session": [session.pk],
    }
    bodies: dict[str, dict[str, Any]] = {
        "model-compare": {"dataset": dataset.pk},
        "member-add": {"site": ""},
        "api:patient-list": {"site": "north", "record_number": "N-77", "name": "Nora Sample"},
        "api:case-list": {"patient": anna.pk},
        "api:case-join": {"scans": [scan.pk, withdrawn.pk], "reason": "One series."},
        "api:comparison-decide": {"override": override.pk, "approved": True},
        "api:site-acceptance-accept": {"key": "0-", "reason": "It does well."},
        "api:site-acceptance-decline": {"key": "0-", "reason": "It does badly."},
        "api:site-acceptance-revert": {"number": 1, "reason": "It did badly."},
        **{name: {"reason": "It was a slip."} for name in WANT_A_REASON},
    }
    of_late = {"slice": late.slices.get().pk, "prediction": Prediction.objects.get(scan=late).pk}
    decided = {
        reverse(prefix + name, args=[of_late[name.split("-")[0]]])
        for prefix in ("", "api:")
        for name in HIDDEN_WHEN_BLINDED
    }
    return World(objects, bodies, decided)


def addresses() -> dict[str, str]:
    """All names of the project with their routes, but the administration's, which has a rule of its own."""

    def walk(resolver: URLResolver, spaces: tuple[str, ...], route: str) -> Iterator[tuple[str, str]]:
        for pattern in resolver.url_patterns:
            here = route + str(pattern.pattern)
            if isinstance(pattern, URLPattern):
                yield ":".join([*spaces, pattern.name or ""]), here
            else:
                yield from walk(pattern, (*spaces, pattern.namespace) if pattern.namespace else spaces, here)

    return {name: route for name, route in walk(get_resolver(), (), "") if not name.startswith("admin:")}


def paths_of(name: str, route: str, world: World) -> list[str]:
    if name == "api:nothing":
        return ["/api/nothing/"]
    if "<int:pk>" in route:
        plain = name.removeprefix("api:")
        known = next(key for key in sorted(world.objects, key=len, reverse=True) if plain.startswith(key))
        site = ["north"] if "<slug:slug>" in route else []
        return [reverse(name, args=[pk, *site]) for pk in world.objects[known]]
    given: dict[str, dict[str, str]] = {
        "api:site-detail": {"slug": "north"},
        "api:monitoring-table": {"table": "models"},
        "monitoring-table": {"name": "models"},
        "account_confirm_email": {"key": "none"},
        "script-texts": {"language": "de", "digest": "none"},
        "account_reset_password_from_key": {"uidb36": "1", "key": "none"},
    }
    return [reverse(name, kwargs=given.get(name))]


def outcome(response: Any) -> str:
    location = response.get("Location", "")
    if response.status_code == 401 or location.startswith(("/accounts/login/", "/admin/login/")):
        return LOG_IN
    words = {400: INVALID, 403: DENIED, 404: ABSENT, 405: NO_METHOD, 422: INVALID, 503: UNWELL}
    return words.get(response.status_code, IN if response.status_code < 500 else "failure")


def ask(client: Client, method: str, path: str, body: dict[str, Any], user: Any) -> tuple[str, str]:
    """What comes of a request, and what is wrong with the record of it; then the request is undone."""
    options = {"content_type": "application/json"} if path.startswith("/api/") or method != "POST" else {}
    found, fault = "", ""
    cookies = SimpleCookie(client.cookies)  # a log-out is undone in the browser too
    try:
        with transaction.atomic():
            response = (
                getattr(client, method.lower())(path, body or {}, **options) if method != "GET" else client.get(path)
            )
            found = outcome(response)
            shows = not response.streaming and b"Anna Sample" in response.content
            if shows and not Event.objects.filter(actor=user, action__in=LOOKS_OR_ACTS).exists():
                fault = f"{method} {path} shows the patient and leaves no event"
            if response.streaming:
                b"".join(response.streaming_content)  # read to its end, the file is closed
            raise Undone
    except Undone:
        return found, fault
    finally:
        client.cookies = cookies


def test_every_address_has_a_rule_and_every_rule_an_address():
    assert {name for name in addresses() if name} == set(RULES)


@pytest.mark.parametrize("is_blinded", [False, True], ids=["open", "blinded"])
def test_every_address_answers_every_caller_as_its_rule_says(world, request, north, is_blinded):
    north.blinded_reads = is_blinded
    north.save()
    counted: Counter[str] = Counter()
    for who in CALLERS if not is_blinded else ("rita",):
        user = None if who == "anonymous" else request.getfixturevalue(who)
        client = Client(raise_request_exception=False)
        if user is not None:
            client.force_login(user)
        for name, route in addresses().items():
            if is_blinded and "<int:pk>" not in route:
                continue  # what a site hides belongs to an object
            for number, path in enumerate(paths_of(name, route, world)):
                for method in METHODS if number == 0 and who in TRY_ALL_METHODS else RULES[name]:
                    counted[who] += 1
                    _check(world, client, who, user, name, method, path, is_blinded=is_blinded)
    assert not world.faults, "\n".join(world.faults)
    assert min(counted.values()) > (100 if is_blinded else 200)


def _check(
    world: World, client: Client, who: str, user: Any, name: str, method: str, path: str, *, is_blinded: bool
) -> None:
    found, fault = ask(client, method, path, world.bodies.get(name, {}), user)
    rule = RULES[name].get(method)
    expected = rule(who) if rule else frozenset({NO_METHOD, LOG_IN, DENIED, ABSENT})
    if not rule and name in TAKEN_AS:
        expected |= RULES[name][TAKEN_AS[name]](who)
    if is_blinded and rule and name.endswith(HIDDEN_WHEN_BLINDED):
        expected = frozenset({IN if path in world.decided else DENIED})
    if found not in expected:
        world.faults.append(f"{who}: {method} {path} ({name}) is “{found}”, expected {' or '.join(sorted(expected))}")
    if fault:
        world.faults.append(f"{who}: {fault}")


def test_a_token_opens_only_what_its_scope_names(world, north, south, otto):
    for role in ("clinician", "reader", "manager"):
        otto.memberships.create(site=north, role=role)
    api = {name: route for name, route in addresses().items() if name.startswith("api:") and name in RULES}
    for scope in ("read", "upload", "review", "train"):
        client = client_of(otto, scope)
        client.raise_request_exception = False
        for name, route in api.items():
            if name in ("api:nothing", "api:schema", "api:docs"):
                continue
            if name == "api:review-withdraw":
                continue  # for the reader who decided alone, whatever the scope
            for method in RULES[name]:
                path = paths_of(name, route, world)[0]
                found, fault = ask(client, method, path, world.bodies.get(name, {}), otto)
                opens = scope in scopes_of(name, method)
                if opens != (found in (IN, INVALID)) or fault:
                    world.faults.append(f"{scope}: {method} {path} is “{found}”; {fault}")
    assert not world.faults, "\n".join(world.faults)


@pytest.mark.parametrize("who", [name for name in CALLERS if name != "sue"])
def test_the_administration_is_the_superusers_alone(request, who, db):
    client = Client()
    if who != "anonymous":
        client.force_login(request.getfixturevalue(who))
    spaces = next(one for one in get_resolver().url_patterns if getattr(one, "namespace", "") == "admin")
    asked = 0
    for pattern in spaces.url_patterns:
        inner = getattr(pattern, "url_patterns", [pattern])
        for one in inner:
            path = "/admin/" + (str(pattern.pattern) if inner != [pattern] else "") + str(one.pattern)
            plain = path.replace("<path:object_id>", "1").replace("<id>", "1").replace("<int:content_type_id>", "1")
            if "(?P<" in plain or one.name == "logout":
                continue
            assert outcome(client.get(plain)) in (LOG_IN, DENIED, ABSENT), plain
            asked += 1
    assert asked > 20
