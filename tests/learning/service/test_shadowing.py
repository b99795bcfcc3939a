"""A shadow answers every new scan and is seen nowhere, until its answers are compared or its model promoted."""

import re

import pytest
from django.core.exceptions import PermissionDenied
from django.db.models import Max

from accounts.models import Action, Event
from accounts.refusals import WrongState
from cases.casework import amend_case
from cases.models import Scan
from cases.reviews import record_review
from inference.current_answer import answers_by_scan
from inference.models import Prediction, Urgency
from inference.queue import claim, retry, store_failure
from inference.runner import run_queued
from learning.service.promotion import promote, refuse_model
from learning.service.shadow import shadow_report, start_shadow, stop_shadow
from tests.api.calls import client_of
from tests.cast import make_case, make_scan
from tests.inference.cast import stored_scan
from tests.learning.service.cast import rows_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def shadow(challenger, sue):
    start_shadow(model=challenger, user=sue)
    challenger.refresh_from_db()
    return challenger


def silent_row(scan):
    return Prediction.objects.shadow().get(scan=scan)


def test_new_scans_are_asked_of_both_and_the_shadow_comes_last(shadow, send, sue):
    scan = send()
    assert rows_of(scan) == {("1", "queued", Urgency.ROUTINE), ("2", "queued", Urgency.SHADOW)}
    assert {row.model_version.version for row in claim()} == {"1"}
    assert {row.model_version.version for row in claim()} == {"2"}
    assert Event.objects.get(action=Action.SHADOW_STARTED).actor == sue


def test_an_uploaded_scan_is_asked_of_both_through_the_same_door(shadow, case, cara):
    assert {row[0] for row in rows_of(make_scan(case, cara))} == {"1", "2"}


def test_no_scan_is_asked_of_a_candidate_that_is_no_shadow(challenger, send):
    assert {row[0] for row in rows_of(send())} == {"1"}


def test_an_emergency_does_not_raise_the_shadow(shadow, send, case, cara):
    scan = send()
    amend_case(case=case, user=cara, priority="emergency")
    assert rows_of(scan) == {("1", "queued", Urgency.EMERGENCY), ("2", "queued", Urgency.SHADOW)}


def test_a_shadows_answer_never_becomes_current(shadow, send, engines):
    scan = send(200)
    assert run_queued() == 2
    scan.refresh_from_db()
    assert (scan.decision, scan.probability) == ("covid", pytest.approx(200 / 255))
    assert silent_row(scan).decision == "non_covid"
    assert scan.prediction_id != silent_row(scan).pk
    (answers,) = answers_by_scan([scan]).values()
    assert (answers.current.model_version.version, answers.earlier, answers.reread) == ("1", [], None)


def test_a_scan_that_only_the_shadow_has_answered_counts_as_waiting(shadow, send, champion, engines):
    scan = send()
    Prediction.objects.filter(scan=scan, model_version=champion).update(retry_at="2999-01-01T00:00Z")
    assert run_queued() == 1
    scan.refresh_from_db()
    assert (scan.decision, scan.label_value) == (None, 0.0)
    assert answers_by_scan([scan])[scan.pk].current.is_waiting


PAGES = ["/", "/?decision=non_covid", "/cases/{case}/", "/cases/{case}/read/", "/patients/{patient}/", "/labels/"]
CALLS = [
    "/api/v1/predictions/",
    "/api/v1/scans/",
    "/api/v1/scans/{scan}/",
    "/api/v1/cases/{case}/",
    "/api/v1/cases/?order=teaching",
]


def test_it_shows_on_no_page_and_in_no_call(shadow, send, engines, login, rita, sue):
    scan = send(200)
    run_queued()
    numbers = {"case": scan.case_id, "scan": scan.pk, "patient": scan.case.patient_id}
    browser, caller, quiet = login(rita), client_of(rita), silent_row(scan)
    for address in PAGES:
        page = browser.get(address.format(**numbers)).content.decode()
        assert "resnet-test 2" not in page, address
        assert "22 %" not in page, address
    for address in CALLS:
        text = caller.get(address.format(**numbers)).content.decode()
        assert '"version":"2"' not in text, address
        assert not re.search(r"(?<!\d)0\.21", text), address  # 10:00:00.214544Z is a time
    assert caller.get(f"/api/v1/predictions/{quiet.pk}/").status_code == 404
    slice_ = scan.slices.get()
    assert (
        caller.get(
            f"/api/v1/slices/{slice_.pk}/map/?prediction={scan.predictions.exclude(pk=quiet.pk).get().pk}"
        ).status_code
        == 200
    )
    assert caller.get(f"/api/v1/slices/{slice_.pk}/map/?prediction={quiet.pk}").status_code == 404
    record = login(sue).get("/admin/inference/prediction/").content.decode()
    assert f"/admin/inference/prediction/{quiet.pk}/" not in record


def test_its_failure_is_no_failure_of_the_scan(shadow, send, engines, login, rita, cara):
    scan = send(200)
    claim()
    (row,) = claim()
    store_failure(row, "The shadow stumbled.")
    page = login(rita).get(f"/cases/{scan.case_id}/").content.decode()
    assert "stumbled" not in page
    assert "Try again" not in page
    assert "could not answer" not in login(rita).get("/").content.decode()
    with pytest.raises(WrongState, match="nothing to try again"):
        retry(prediction=row, user=cara)


def test_only_one_shadow_and_only_a_candidate(shadow, champion, make_model, sue, max, south):
    other = make_model("3", active=False)
    with pytest.raises(WrongState, match="resnet-test 2 runs in shadow mode already"):
        start_shadow(model=other, user=sue)
    start_shadow(model=shadow, user=sue)
    assert Event.objects.filter(action=Action.SHADOW_STARTED).count() == 1
    stop_shadow(model=shadow, user=sue)
    with pytest.raises(WrongState, match="no candidate"):
        start_shadow(model=champion, user=sue)
    for act in (start_shadow, stop_shadow):
        with pytest.raises(PermissionDenied):
            act(model=other, user=max)


def test_a_damaged_model_is_no_shadow(challenger, sue):
    (challenger.folder / "weights.npz").write_bytes(b"half")
    with pytest.raises(WrongState, match="Register it again"):
        start_shadow(model=challenger, user=sue)


def test_stopping_a_shadow_drops_waiting_requests_and_keeps_its_answers(shadow, send, sue, engines):
    said = send()
    run_queued()
    waiting = send()
    stop_shadow(model=shadow, user=sue)
    assert rows_of(waiting) == {("1", "queued", Urgency.ROUTINE)}
    assert ("2", "done", Urgency.SHADOW) in rows_of(said)
    assert rows_of(send()) == {("1", "queued", Urgency.ROUTINE)}
    with pytest.raises(WrongState, match="nothing to stop"):
        stop_shadow(model=shadow, user=sue)


def test_refusing_the_shadow_ends_it(shadow, send, sue):
    scan = send()
    refuse_model(model=shadow, user=sue, reason="Worse.")
    shadow.refresh_from_db()
    assert not shadow.is_shadow
    assert rows_of(scan) == {("1", "queued", Urgency.ROUTINE)}


def test_a_promoted_shadow_takes_over_waiting_scans_in_its_own_rows(shadow, comparison, send, sue):
    waiting, reading = send(), send()
    (row,) = Prediction.objects.shadow().filter(scan=reading)
    Prediction.objects.filter(pk=row.pk).update(
        status="running", claim="5f5e1d9e-8f5c-4f6e-9d65-7b1de2a0a001", lease_until="2999-01-01T00:00Z"
    )
    promote(comparison=comparison, user=sue)
    assert rows_of(waiting) == {("2", "queued", Urgency.ROUTINE)}
    assert rows_of(reading) == {("2", "running", Urgency.ROUTINE)}


def test_a_promoted_shadow_does_not_replace_answers_that_were_given(shadow, comparison, send, sue, engines):
    scan = send(200)
    run_queued()
    half = send(200)
    (row,) = claim()
    store_failure(row, "It stopped.")
    promote(comparison=comparison, user=sue)
    assert rows_of(scan) == {("1", "done", Urgency.ROUTINE), ("2", "done", Urgency.SHADOW)}
    assert rows_of(half) == {("1", "failed", Urgency.ROUTINE), ("2", "queued", Urgency.ROUTINE)}
    scan.refresh_from_db()
    assert scan.decision == "covid"


def test_the_report_sets_it_beside_the_answers_in_service(shadow, send, rita, sue, engines):
    bright, dark, unread = send(200), send(30), send(210)
    run_queued()
    for scan, label in ((bright, "covid"), (dark, "covid")):
        scan.refresh_from_db()
        record_review(scan=scan, reader=rita, label=label, reason="So it is.")
    report = shadow_report(shadow, user=sue)
    assert (report.n, report.agree, report.agreement) == (3, 0, 0.0)
    assert (report.both_positive, report.only_shadow_positive, report.only_service_positive) == (0, 1, 2)
    assert (report.labelled, report.service.found, report.service.missed) == (2, 1, 1)
    assert (report.shadow.sensitivity, report.shadow.specificity) == (0.5, None)
    assert [pair.scan.pk for pair in report.disagreements] == [unread.pk, dark.pk, bright.pk]
    assert {pair.service.model_version.version for pair in report.disagreements} == {"1"}


def test_the_shadow_report_counts_waiting_and_failed_answers(shadow, send, sue):
    send(), send()
    claim(), claim()
    store_failure(Prediction.objects.shadow().filter(status="running").first(), "It stopped.")
    report = shadow_report(shadow, user=sue)
    assert (report.n, report.waiting, report.failed, report.agreement) == (0, 1, 1, None)


def test_the_report_is_for_managers_and_hides_what_they_have_to_decide_first(
    shadow, send, jonas, otto, max, rita, engines
):
    blind = make_case(jonas)
    send(200)
    hidden = stored_scan(blind, otto, [200], announce=True)
    run_queued()
    assert [pair.scan.site.slug for pair in shadow_report(shadow, user=max).disagreements] == ["north"]
    assert shadow_report(shadow, user=otto).n == 0
    record_review(scan=hidden, reader=otto, label="covid")
    assert shadow_report(shadow, user=otto).n == 1
    with pytest.raises(PermissionDenied):
        shadow_report(shadow, user=rita)


def test_a_long_report_says_how_much_it_leaves_out(shadow, send, sue, engines, monkeypatch):
    from learning.service import shadow as module

    monkeypatch.setattr(module, "MOST_LISTED", 2)
    newest = [send(200) for _ in range(5)][-1]
    run_queued()
    report = shadow_report(shadow, user=sue)
    assert (len(report.disagreements), report.unlisted) == (2, 3)
    assert newest.pk == Scan.objects.aggregate(n=Max("pk"))["n"]


def test_an_urgent_claim_takes_no_shadow_requests_and_a_shadow_claim_is_short(shadow, send, monkeypatch):
    monkeypatch.setattr("inference.queue.BACKGROUND_SLICES", 2)
    for _ in range(3):
        send()
    assert [row.urgency for row in claim()] == [Urgency.ROUTINE] * 3
    assert [row.urgency for row in claim()] == [Urgency.SHADOW] * 2
