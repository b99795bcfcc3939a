"""A site that reads blinded, in worlds that differ only in what a reader there must not learn before deciding.

Every object has the same number in each world, since the sequences are set back in between.
"""

from __future__ import annotations

import io
import itertools
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django import forms
from django.db import connection, transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, resolve
from django.urls.resolvers import RoutePattern

from tests.cast import answer, make_case, make_person, make_scan
from tests.database_role import owner

VARIABLE = re.compile(r"<(?:\w+:)?(\w+)>")
# What is new in each answer; a cursor names the row of a list after which a page begins.
PASSING = [
    re.compile(rb'name="csrfmiddlewaretoken" value="[^"]*"'),
    re.compile(rb'"X-CSRFToken": "[^"]*"'),
    re.compile(rb'nonce="[^"]*"'),
    re.compile(rb"cursor=[^\"&]*"),
    re.compile(rb'name="page" value="[^"]*"'),
    re.compile(rb'"seconds_left": \d+'),
]


# Filters that choose by nothing that a blinded reader must not learn.
SAY_NOTHING = {"action", "priority", "kind", "split", "source", "order", "sort", "mine"}


@dataclass(frozen=True)
class World:
    """What the model says of the scans, and what two colleagues say; empty where a colleague has not decided."""

    decision: str
    probability: float
    labels: tuple[str, ...]


# To a blinded reader these three are one.
AGREED = {
    "infected": World("covid", 0.93, ("covid", "covid")),
    "healthy": World("non_covid", 0.04, ("non_covid", "non_covid")),
    "cannot tell": World("uncertain", 0.52, ("cannot_tell", "cannot_tell")),
}
# And so are these two: that two colleagues disagree tells as much as what they say.
OPEN = {
    "nobody": World("covid", 0.93, ()),
    "disagree": World("non_covid", 0.04, ("covid", "non_covid")),
}


class Stage:
    """South with its people, a case of one scan and a case of two; `in_world` plays a world and takes it back."""

    def __init__(self, south: Any, jonas: Any, model: Any, extend: Callable[[], None] = lambda: None) -> None:
        self.site, self.model, self.extend = south, model, extend
        self.clinician = make_person("cleo", (south, "clinician"))
        self.manager = make_person("mia", (south, "manager"))
        self.colleagues = [make_person(name, (south, "reader")) for name in ("rolf", "rosa")]
        self.reader = make_person("orla", (south, "reader"))
        self.reading_manager = make_person("bea", (south, "reader"), (south, "manager"))
        self.reading_administrator = make_person("ada", (south, "reader"), is_superuser=True, is_staff=True)
        cases = [make_case(jonas, accession_number=f"ACC-{number}") for number in range(2)]
        seeds = itertools.count(70_001)
        self.scans = [make_scan(case, self.clinician, seed=next(seeds)) for case in (cases[0], cases[1], cases[1])]
        self.remember_sequences()

    def remember_sequences(self) -> None:
        self._places = _sequences()

    @contextmanager
    def in_world(self, world: World) -> Iterator[None]:
        with transaction.atomic():
            self._play(world)
            yield
            transaction.set_rollback(True)
        _set_sequences(self._places)

    def _play(self, world: World) -> None:
        from cases.reviews import record_review

        for scan in self.scans:
            answer(scan, self.model, world.decision, world.probability)
        for scan in self.scans[:2]:
            for colleague, label in zip(self.colleagues, world.labels, strict=False):
                scan.refresh_from_db()
                record_review(scan=scan, reader=colleague, label=label, reason="As I see it.")
        self.extend()


def _sequences() -> dict[str, tuple[int, bool]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT quote_ident(schemaname) || '.' || quote_ident(sequencename) FROM pg_sequences")
        names = [name for (name,) in cursor.fetchall()]
        places = {}
        for name in names:
            cursor.execute(f"SELECT last_value, is_called FROM {name}")
            places[name] = cursor.fetchone()
    return places


def _set_sequences(places: dict[str, tuple[int, bool]]) -> None:
    with owner(), connection.cursor() as cursor:
        for name, (value, is_called) in places.items():
            cursor.execute("SELECT setval(%s, %s, %s)", [name, value, is_called])


def answers_seen_by(user: Any, addresses: list[tuple[str, str]]) -> dict[str, bytes]:
    """What each address answers, without what is new in each answer."""
    client = Client()
    client.force_login(user)
    return {f"{method} {address}": _answer_of(client, method, address) for method, address in addresses}


def _answer_of(client: Client, method: str, address: str) -> bytes:
    with transaction.atomic():
        response: Any = client.generic(method, address)
        body = b"".join(response.streaming_content) if response.streaming else response.content
        transaction.set_rollback(method == "POST")
    kind = response.get("Content-Type", "")
    if "zip" in kind:
        body = _contents(body)
    for pattern in PASSING:
        body = pattern.sub(b"", body)
    return f"{response.status_code} {kind} {response.get('Location', '')}\n".encode() + body


def _contents(data: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return repr([(each.filename, each.CRC) for each in archive.infolist()]).encode()


def addresses(objects: dict[str, list[Any]], *, without: tuple[str, ...]) -> list[str]:
    """Every address that the resolver knows, with each of the objects; the word before a variable names their kind."""
    routes = (route for route in _routes(get_resolver()) if not route.startswith(without))
    return sorted({address for route in routes for address in _with_objects(route, objects)})


def _routes(resolver: URLResolver, prefix: str = "/") -> Iterator[str]:
    """Those written as paths; what is written as a regular expression belongs to other packages."""
    for entry in resolver.url_patterns:
        if not isinstance(entry.pattern, RoutePattern):
            continue
        if isinstance(entry, URLResolver):
            yield from _routes(entry, f"{prefix}{entry.pattern}")
        elif isinstance(entry, URLPattern):
            yield f"{prefix}{entry.pattern}"


def _with_objects(route: str, objects: dict[str, list[Any]]) -> Iterator[str]:
    found = VARIABLE.search(route)
    if found is None:
        yield route
        return
    kind = route[: found.start()].rstrip("/").rsplit("/", 1)[-1] + ("" if found[1] == "pk" else f":{found[1]}")
    assert kind in objects, f"Say in the test which objects there are for {route}."
    for value in objects[kind]:
        yield from _with_objects(route[: found.start()] + str(value) + route[found.end() :], objects)


def with_filters(found: list[str], page_forms: dict[str, type[forms.Form]]) -> Iterator[str]:
    """Asks each list with each choice of each of its filters: a filter reveals by what it leaves out."""
    for address in found:
        yield address
        match = resolve(address)
        for name, value in _choices(match, page_forms):
            yield f"{address}?{name}={value}"


def _admin_choices(model_admin: Any) -> Iterator[tuple[str, str]]:
    """The filters of a list of the administration that choose by one of its model's own words, and its orders."""
    yield "_facets", "True"
    yield from (("o", str(number + 1)) for number, _ in enumerate(model_admin.list_display))
    for name in model_admin.list_filter:
        if "__" not in name:
            field = model_admin.model._meta.get_field(name)
            flat = [str(value) for value, _ in field.flatchoices] or ["0", "1"]
            if field.flatchoices or field.get_internal_type() == "BooleanField":
                yield from ((f"{name}__exact", value) for value in flat)


def _choices(match: Any, page_forms: dict[str, type[forms.Form]]) -> Iterator[tuple[str, str]]:
    view = getattr(match.func, "cls", None)
    action = getattr(match.func, "actions", {}).get("get")
    if view is not None and action == "list" and getattr(view, "filterset_class", None):
        fields = {name: each.field for name, each in view.filterset_class.base_filters.items()}
    elif match.view_name.endswith("_changelist"):
        yield from _admin_choices(match.func.model_admin)
        return
    elif match.view_name in page_forms:
        fields = page_forms[match.view_name].base_fields
    else:
        return
    for name, field in fields.items():
        if isinstance(field, forms.ModelChoiceField) or name in SAY_NOTHING:
            continue
        if isinstance(field, forms.ChoiceField):
            choices: Any = field.choices
            yield from ((name, str(value)) for value, _ in choices if value)
        elif isinstance(field, forms.NullBooleanField):
            yield from ((name, value) for value in ("true", "false"))
        elif isinstance(field, forms.BooleanField):
            yield name, "on"
