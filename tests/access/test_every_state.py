"""Tests that no state of an object opens its addresses to anybody else, nor shows a blinded reader what is hidden.

States are those that the models declare: a new one is walked without a word here, and where the database wants more
of a row in it, FACTS says what.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.db import models, transaction
from django.test import Client
from django.utils import timezone

from cases.models import Case, CaseStatus, Review, Scan, ShownAnswer
from inference.models import ModelVersion, Prediction
from learning.models import ComparisonRequest, GateOverride, TrainingRun
from tests.access import test_every_address as walk
from tests.access.rules import DENIED, HIDDEN_WHEN_BLINDED, IN, RIGHTS, RULES, Right, of
from tests.access.test_every_address import CALLERS, World, addresses, ask, paths_of
from tests.cast import make_person

world = walk.world  # the fixture of the walk over all addresses

EVERYBODY = (*CALLERS, "bea")
# By model: the names that its addresses begin with.
WALKED: dict[type[models.Model], tuple[str, ...]] = {
    Case: tuple(space + name for space in ("", "api:") for name in ("case", "scan", "slice", "prediction", "review")),
    Scan: ("scan", "slice", "api:scan", "api:slice"),
    Prediction: ("prediction", "scan-retry", "scan-answer", "slice-map", "api:prediction", "api:slice-map"),
    TrainingRun: ("training-run", "training-progress", "training-cancel", "api:training-run"),
    ComparisonRequest: ("api:comparison-request",),
    GateOverride: ("override", "api:comparison-decide", "comparison", "api:comparison-detail"),
    ModelVersion: ("model", "shadow", "api:model"),
}
NOW = timezone.now()
OVER = {"finished_at": NOW, "claim": None, "lease_until": None, "started_at": NOW, "attempts": 1}
WAITS = {"claim": None, "lease_until": None, "started_at": None, "finished_at": None, "attempts": 0}
HELD = {"claim": "0" * 32, "lease_until": NOW, "started_at": NOW, "attempts": 1, "finished_at": None}
FACTS: dict[tuple[type[models.Model], str], dict[str, Any]] = {
    (Case, "closed"): {"closed_at": NOW},
    (Case, "cancelled"): {"cancelled_reason": "A slip."},
    (Scan, "withdrawn"): {"withdrawn_reason": "A slip."},
    (Prediction, "queued"): WAITS,
    (Prediction, "running"): HELD,
    (Prediction, "done"): {**OVER, "decision": "covid", "probability": 0.9},
    (Prediction, "failed"): {**OVER, "error": "It stopped."},
    **{(kind, "queued"): WAITS for kind in (TrainingRun, ComparisonRequest)},
    **{(kind, "running"): HELD for kind in (TrainingRun, ComparisonRequest)},
    **{(kind, "failed"): {**OVER, "error": "It stopped."} for kind in (TrainingRun, ComparisonRequest)},
    **{(kind, "cancelled"): OVER for kind in (TrainingRun, ComparisonRequest)},
    (ModelVersion, "active"): {"activated_at": NOW},
}
# A case that was cancelled is reopened by whoever may cancel it too.
IN_STATE = {
    (state, name): of(Right.CLOSE, Right.MANAGE)
    for state in (CaseStatus.CANCELLED,)
    for name in ("case-reopen", "api:case-reopen")
}
BEFORE: dict[type[models.Model], dict[str, Any]] = {Case: {"closed_at": None, "cancelled_reason": ""}}


@pytest.fixture
def people(north, request) -> dict[str, Any]:
    """Provides those of the walk over all addresses, and Bea, who both reads and manages."""
    found = {name: request.getfixturevalue(name) for name in CALLERS if name != "anonymous"}
    return found | {"bea": make_person("bea", (north, "reader"), (north, "manager"))}


def states_of(model: type[models.Model]) -> list[str]:
    return [value for value, _ in model._meta.get_field("status").flatchoices]


def put_into(model: type[models.Model], state: str, world: World) -> models.Model:
    """Puts one row of the world into this state; what keeps it from there is moved aside."""
    row = model._default_manager.order_by("pk").first()
    assert row is not None
    others = model._default_manager.exclude(pk=row.pk)
    facts = {**BEFORE.get(model, {}), **FACTS.get((model, state), {})}
    if model is TrainingRun:
        others.update(status="cancelled", **OVER)
        if state == "done":
            facts |= {**OVER, "model": world.objects["model"][1]}
    elif model is ComparisonRequest and state == "done":
        facts |= {**OVER, "comparison": world.objects["comparison"][0]}
    elif model is ModelVersion:
        others.filter(status="active").update(status="retired")
    elif model is GateOverride:
        facts |= {"decided_by": None, "decided_at": None}
        if state != "pending":
            facts |= {"decided_by": make_person(f"second-{state}"), "decided_at": NOW}
    model._default_manager.filter(pk=row.pk).update(status=state, **facts)
    return row


def test_every_model_that_has_states_is_walked():
    """Earlier versions of a row have no address."""
    with_states = {
        model
        for model in apps.get_models()
        for field in model._meta.fields
        if field.name == "status" and field.flatchoices and not hasattr(model, "pgh_obj")
    }

    assert with_states == set(WALKED)


@pytest.mark.parametrize("model", WALKED, ids=lambda model: model._meta.model_name)
def test_an_object_in_any_state_answers_every_caller_as_its_rule_says(model, world, people):
    asked = 0
    for state in states_of(model):
        with transaction.atomic():
            put_into(model, state, world)
            for who in EVERYBODY:
                client = client_of(people.get(who))
                for name, method, path in walk_of(model, world):
                    found, fault = ask(client, method, path, world.bodies.get(name, {}), people.get(who))
                    asked += 1
                    expected = IN_STATE.get((state, name), RULES[name][method])(who)
                    if found not in expected:
                        world.faults.append(
                            f"{state}, {who}: {method} {path} ({name}) is “{found}”, not {set(expected)}"
                        )
                    if fault:
                        world.faults.append(f"{state}, {who}: {fault}")
            transaction.set_rollback(True)
    assert not world.faults, "\n".join(world.faults)
    assert asked >= 2 * len(EVERYBODY)


def walk_of(model: type[models.Model], world: World) -> list[tuple[str, str, str]]:
    """Returns the addresses of the first object of each kind, with the methods that they know."""
    return [
        (name, method, paths_of(name, route, world)[0])
        for name, route in addresses().items()
        if name.startswith(WALKED[model]) and "<int:pk>" in route
        for method in RULES[name]
    ]


def client_of(user: Any) -> Client:
    client = Client(raise_request_exception=False)
    if user is not None:
        client.force_login(user)
    return client


@pytest.mark.parametrize("decides", [False, True], ids=["undecided", "decided"])
@pytest.mark.parametrize("state", CaseStatus.values)
def test_what_is_hidden_is_so_in_every_state_from_whoever_reads_and_from_nobody_else(
    world,
    people,
    north,
    state,
    decides,
    review,
):
    """A reader's own decision, or the end of the case, opens it."""
    north.blinded_reads = True
    north.save()
    scan = Scan.objects.get(pk=world.objects["scan"][0])
    if decides:
        for who in ("rita", "bea"):
            review(scan, people[who], "covid")
    put_into(Case, state, world)
    hidden = hidden_addresses(world)
    assert len(hidden) == 2 * len(HIDDEN_WHEN_BLINDED)
    for who in EVERYBODY:
        client, user = client_of(people.get(who)), people.get(who)
        may_review = who in RIGHTS and who != "otto" and Right.REVIEW in RIGHTS[who]
        is_hidden = may_review and not decides and state != CaseStatus.CLOSED
        for name, path in hidden:
            found, _ = ask(client, "GET", path, {}, user)
            expected = {DENIED} if is_hidden else RULES[name]["GET"](who)
            if found not in expected or (not is_hidden and may_review and found != IN):
                world.faults.append(f"{who}: {path} ({name}) is “{found}”, not {set(expected)}")
    assert not world.faults, "\n".join(world.faults)
    assert not ShownAnswer.objects.exists()
    assert Review.objects.filter(scan=scan).count() == 2 * decides


def hidden_addresses(world: World) -> list[tuple[str, str]]:
    return [
        (name, paths_of(name, route, world)[0])
        for name, route in addresses().items()
        if name.removeprefix("api:") in HIDDEN_WHEN_BLINDED
    ]
