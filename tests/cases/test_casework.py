"""The rules of casework, whoever calls them."""

import pytest

from accounts.models import Action, Event
from accounts.refusals import LONGEST_REASON, WrongState
from cases.casework import (
    DuplicateRecordNumber,
    amend_patient,
    close_case,
    register_patient,
    reopen_case,
    withdraw_scan,
)
from cases.models import Patient

pytestmark = pytest.mark.django_db


def test_two_people_who_amend_a_patient_at_once_overwrite_nothing_of_each_other(cara, anna):
    seen_by_one, seen_by_other = Patient.objects.get(), Patient.objects.get()

    amend_patient(patient=seen_by_one, user=cara, name="Anna Changed")
    amend_patient(patient=seen_by_other, user=cara, sex="O")

    anna.refresh_from_db()
    assert (anna.name, anna.sex) == ("Anna Changed", "O")
    assert seen_by_other.name == "Anna Changed"


def test_a_refused_amendment_leaves_the_patient_as_it_was(cara, anna, north):
    register_patient(site=north, user=cara, record_number="N-9", name="Nora")

    with pytest.raises(DuplicateRecordNumber):
        amend_patient(patient=anna, user=cara, record_number="n-9")

    assert anna.record_number == "N-1001"
    assert not Event.objects.filter(action=Action.PATIENT_AMENDED).exists()


def test_nothing_is_registered_without_its_event(cara, north, monkeypatch):
    def fail(*args: object, **kwargs: object) -> None:
        raise OSError

    monkeypatch.setattr("cases.casework.record_event", fail)
    with pytest.raises(OSError):  # noqa: PT011
        register_patient(site=north, user=cara, record_number="N-9", name="Nora")

    assert not Patient.objects.exists()


def test_a_reason_that_is_too_long_is_refused(cara, rita, scan, review):
    with pytest.raises(WrongState, match="at most 500 characters"):
        withdraw_scan(scan=scan, user=cara, reason="x" * (LONGEST_REASON + 1))

    review(scan, rita)
    close_case(case=scan.case, user=rita)
    with pytest.raises(WrongState, match="at most 500 characters"):
        reopen_case(case=scan.case, user=rita, reason="x" * (LONGEST_REASON + 1))


def test_a_reason_loses_what_the_database_cannot_hold(cara, scan):
    withdraw_scan(scan=scan, user=cara, reason="sent\0 by mistake\0 ")

    assert scan.withdrawn_reason == "sent by mistake"
    assert Event.objects.get(action=Action.SCAN_WITHDRAWN).details == {"reason": "sent by mistake"}


@pytest.mark.parametrize("reason", ["", "  ", "\0"])
def test_a_scan_is_not_withdrawn_without_a_reason(cara, scan, reason):
    with pytest.raises(WrongState, match="only with a reason"):
        withdraw_scan(scan=scan, user=cara, reason=reason)
