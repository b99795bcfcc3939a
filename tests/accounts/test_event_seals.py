"""What was written into the record stays as it was, and a change behind the database's back shows."""

import io
import logging
from contextlib import contextmanager

import pgtrigger
import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.utils import InternalError

from accounts.append_only import APPEND_ONLY, WRITTEN_ONCE
from accounts.events import record_event
from accounts.models import Action, Event, EventSeal
from accounts.seals import GENESIS, head, seal_events, verify
from accounts.tasks import log_event_head, seal_new_events
from tests.database_role import owner

pytestmark = pytest.mark.django_db


def written_once():
    """The models that refuse changes of their rows."""
    return [
        model
        for model in apps.get_models()
        if any(trigger.name == APPEND_ONLY.name for trigger in getattr(model._meta, "triggers", []))
    ]


@pytest.fixture
def record(north, rita):
    """Provides five events."""
    return [record_event(Action.CASE_VIEWED, actor=rita, site=north, case_id=number) for number in range(5)]


@contextmanager
def as_owner_of_the_database():
    """Whoever owns the tables can switch the triggers off."""
    with owner(), pgtrigger.ignore():
        yield


@contextmanager
def _refused_truncation():
    """The triggers refuse it to the owner too; the portal's own role has not even the right."""
    refusal = pytest.raises(InternalError, match="Cannot truncate")
    with owner(), refusal, transaction.atomic(), connection.cursor() as cursor:
        yield cursor


def run(*arguments):
    out = io.StringIO()
    call_command("verify_events", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.parametrize("model", written_once(), ids=lambda model: model._meta.label)
def test_what_is_written_once_cannot_be_truncated(model):
    with _refused_truncation() as cursor:
        cursor.execute(f'TRUNCATE "{model._meta.db_table}" CASCADE')


def test_a_table_above_cannot_be_truncated_to_take_the_record_with_it(record):
    with _refused_truncation() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; TRUNCATE accounts_user CASCADE")
    assert Event.objects.filter(pk__in=[event.pk for event in record]).count() == 5


def test_seals_are_written_once_too():
    triggers = EventSeal._meta.triggers  # type: ignore[attr-defined]
    assert [trigger.name for trigger in triggers] == [trigger.name for trigger in WRITTEN_ONCE]


def test_a_record_of_before_the_seals_is_sealed_from_its_first_event(record):
    assert EventSeal.objects.count() == 0
    assert (head().position, head().digest) == (0, GENESIS)

    seal_new_events()

    sealed = EventSeal.objects.order_by("position").values_list("event", flat=True)
    assert list(sealed) == list(Event.objects.order_by("pk").values_list("pk", flat=True))
    assert verify() == head()


def test_sealing_twice_is_sealing_once(record):
    seal_events()
    assert seal_events() == 0


def test_new_events_join_the_chain(record, rita):
    seal_events()
    record_event(Action.LOGOUT, actor=rita)

    assert seal_events() == 1
    assert verify() == head()


def test_more_events_than_a_batch_are_sealed_too(record, monkeypatch):
    monkeypatch.setattr("accounts.seals.BATCH", 2)

    assert seal_events() == Event.objects.count()
    assert verify() == head()


@pytest.mark.parametrize(
    "change",
    [
        {"case_id": 99},
        {"details": {"reading": True}},
        {"actor": None},
        {"address": "198.51.100.1"},
        {"action": Action.LOGOUT},
    ],
)
def test_a_changed_event_shows(record, change):
    seal_events()
    with as_owner_of_the_database():
        Event.objects.filter(pk=record[2].pk).update(**change)

    with pytest.raises(CommandError, match=f"Event {record[2].pk} at position .* was changed"):
        run()


def test_an_event_that_was_taken_out_shows(record):
    seal_events()
    with as_owner_of_the_database():
        EventSeal.objects.filter(event=record[2]).delete()
        Event.objects.filter(pk=record[2].pk).delete()

    with pytest.raises(CommandError, match="is missing"):
        run()


def test_a_chain_that_was_rewritten_or_cut_shows_against_the_head_of_a_log(record):
    seal_events()
    logged = str(head())
    with as_owner_of_the_database():
        EventSeal.objects.all().delete()
        Event.objects.filter(pk=record[4].pk).delete()
    with pytest.raises(CommandError, match="some were taken"):
        run("--head", logged)

    with as_owner_of_the_database():
        Event.objects.filter(pk=record[0].pk).update(case_id=99)
    record_event(Action.LOGOUT, actor=None)
    seal_events()
    run()
    with pytest.raises(CommandError, match="the chain was rewritten"):
        run("--head", logged)


def test_the_command_says_where_the_chain_ends(record):
    seal_events()

    assert run("--head", str(head())).splitlines()[-1] == f"Head {head()}"


def test_a_head_that_is_none_is_refused(record):
    with pytest.raises(CommandError, match="POSITION:DIGEST"):
        run("--head", "yesterday")


def test_the_head_goes_to_the_log_each_day(record, caplog, settings):
    with caplog.at_level(logging.INFO):
        log_event_head()

    assert f"Event record: head {head()}" in caplog.text
    scheduled = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    assert {log_event_head.name, seal_new_events.name} <= scheduled
