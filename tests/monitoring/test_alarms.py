"""Alarms: raised above their bound, never by few scans, always with a bound and a way out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from cases.models import Scan
from inference.models import ModelVersion, Prediction
from monitoring.alarms import RULES, alarms_of
from monitoring.figures import monitor
from monitoring.results import (
    Alarm,
    Counts,
    Drift,
    ModelFigures,
    ReaderAgreement,
    Shift,
    ShiftState,
)

NO_SHIFT = Shift("score", "Score", "0–1", ShiftState.STABLE, 90, 90, 0.01, 0.1, "")
CALM = ReaderAgreement(100, 5, 0.8, "")


def of(counts: Counts, *, shift: Shift = NO_SHIFT) -> list[Alarm]:
    figures = ModelFigures(1, "net 1", "active", counts, [], Drift(shift, []))
    return alarms_of([figures], CALM, counts)


LOUD = {
    "missed": Counts(infected=10, missed=2),
    "false_alarms": Counts(not_infected=10, false_alarms=3),
    "overrides": Counts(seen=10, overrode=3),
    "abstentions": Counts(done=10, abstentions=4),
    "unsuitable": Counts(done=10, unsuitable=2),
    "unlike": Counts(done=10, unlike=3),
    "failures": Counts(done=9, failed=1),
    "waiting": Counts(done=10, p95_wait=301.0),
}


@pytest.mark.parametrize("name", LOUD)
def test_a_share_above_its_bound_raises_an_alarm(name: str) -> None:
    (alarm,) = of(LOUD[name])
    assert (alarm.name, alarm.level) == (name, "alarm")
    assert alarm.words.endswith(".")
    assert alarm.threshold.startswith("Raised above")
    assert alarm.advice.endswith(".")


def test_every_rule_is_tried() -> None:
    assert {rule.name for rule in RULES} | {"waiting"} == set(LOUD)


@pytest.mark.parametrize("name", LOUD)
def test_few_scans_raise_nothing(name: str, settings: Settings) -> None:
    settings.MONITOR_LEAST_SCANS = settings.MONITOR_LEAST_REVIEWS = settings.MONITOR_LEAST_INFECTED = 11
    assert of(LOUD[name]) == []


@pytest.mark.parametrize(
    ("name", "setting"), [(rule.name, rule.bound) for rule in RULES] + [("waiting", "MONITOR_WAIT_SECONDS")]
)
def test_the_bound_is_a_setting(name: str, setting: str, settings: Settings) -> None:
    setattr(settings, setting, 500)
    assert of(LOUD[name]) == []


def test_words_name_the_model_and_the_numbers() -> None:
    (alarm,) = of(LOUD["missed"])
    assert alarm.words == "net 1 answered “unlikely” for 2 of 10 scans in which readers found COVID-19 (20 %)."
    assert alarm.threshold == "Raised above 10 %, once 5 scans are counted."


def test_a_model_that_has_left_service_raises_no_more_than_notices() -> None:
    counts = LOUD["missed"]
    figures = ModelFigures(1, "net 1", "retired", counts, [], Drift(replace(NO_SHIFT, state=ShiftState.SHIFTED), []))
    found = alarms_of([figures], CALM, counts)
    assert [(alarm.name, alarm.level) for alarm in found] == [("missed", "notice"), ("drift", "notice")]
    assert all(alarm.words.endswith("It is no longer in service.") for alarm in found)


def test_a_shift_is_a_notice_and_a_large_one_an_alarm() -> None:
    shifting = replace(NO_SHIFT, state=ShiftState.SHIFTING, psi=0.2)
    shifted = replace(NO_SHIFT, state=ShiftState.SHIFTED, psi=0.4)
    assert [alarm.level for alarm in of(Counts(), shift=shifting)] == ["notice"]
    assert [alarm.level for alarm in of(Counts(), shift=shifted)] == ["alarm"]


def test_readers_who_differ_are_a_notice_and_alarms_come_first() -> None:
    counts = replace(LOUD["missed"], overdue=1)
    figures = ModelFigures(1, "net 1", "active", counts, [], Drift(NO_SHIFT, []))
    found = alarms_of([figures], replace(CALM, kappa=0.3), counts)
    assert [alarm.name for alarm in found] == ["missed", "overdue", "readers"]
    assert alarms_of([], replace(CALM, kappa=0.3, scans=4), Counts()) == []
    assert alarms_of([], replace(CALM, kappa=None), Counts()) == []


def test_a_scan_that_waits_too_long_now_is_an_alarm(sent: Callable[..., Scan], model: ModelVersion, max: User) -> None:
    now = timezone.now()
    for minutes in (2, 20):
        scan = sent(at=now)
        Prediction.objects.create(scan=scan, model_version=model, queued_at=now - timedelta(minutes=minutes))
    found: Any = monitor(max, site=None, start=now.date() - timedelta(days=1), end=now.date())
    assert (found.total.pending, found.total.overdue) == (2, 1)
    assert [alarm.words for alarm in found.alarms] == ["1 scan has been waiting for an answer for more than 5 min."]
