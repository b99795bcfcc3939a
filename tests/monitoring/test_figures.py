"""The counts: which scans, answers and reviews they hold, and for whom."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied

from accounts.models import Membership, Site, User
from accounts.refusals import WrongState
from cases.models import Case, Review, Scan
from inference.models import ModelVersion, Prediction, Urgency
from learning.models import ServicePeriod
from monitoring.figures import monitor
from monitoring.results import SeriesStep
from tests.cast import make_person
from tests.monitoring.conftest import make_model, row_answer

Figures = Callable[..., Any]
Sent = Callable[..., Scan]
Reviews = Callable[..., Review]


@pytest.fixture
def old(db: None) -> ModelVersion:
    return make_model("0", "retired")


def serve(model: ModelVersion, start: datetime, end: datetime | None = None) -> None:
    ServicePeriod.objects.create(model=model, entry="command", started_at=start, ended_at=end)


def test_an_answered_scan_counts_under_its_model(figures: Figures, sent: Sent, model: ModelVersion) -> None:
    row_answer(sent(), model, "covid")
    row_answer(sent(), model, "non_covid", 0.1)
    row_answer(sent(), model, "uncertain", 0.5)
    row_answer(sent(), model, "unsuitable", 0.5)
    Prediction.objects.create(
        scan=sent(), model_version=model, status="failed", error="Broken.", queued_at=sent().uploaded_at
    )
    found = figures()
    counts = found.models[0].counts
    assert (counts.scans, counts.done, counts.failed, counts.pending) == (5, 4, 1, 0)
    assert (counts.covid, counts.non_covid, counts.abstentions, counts.unsuitable) == (1, 1, 1, 1)
    assert (counts.abstention_rate, counts.unsuitable_rate, counts.failure_rate) == (0.25, 0.25, 0.2)
    assert found.total == counts


def test_waiting_is_described_by_median_and_95th_percentile(figures: Figures, sent: Sent, model: ModelVersion) -> None:
    for seconds in range(0, 101, 10):
        row_answer(sent(), model, wait=seconds)
    counts = figures().total
    assert (counts.median_wait, counts.p95_wait) == (50, 95)


def test_without_scans_there_are_no_figures(figures: Figures, model: ModelVersion) -> None:
    found = figures()
    assert found.models == []
    assert found.missed == []
    assert found.alarms == []
    assert found.total.scans == 0
    assert found.total.median_wait is None
    assert found.total.agreement_rate is None
    assert [point.counts.scans for point in found.series] == [0] * 7


def test_an_infection_that_the_model_missed_is_listed(
    figures: Figures, sent: Sent, model: ModelVersion, rita: User, review: Reviews
) -> None:
    missed, caught = sent(), sent()
    answer = row_answer(missed, model, "non_covid", 0.2)
    row_answer(caught, model, "covid")
    review(missed, rita, "covid", "Ground glass, both bases.")
    review(caught, rita, "covid")
    found = figures()
    counts = found.models[0].counts
    assert (counts.infected, counts.missed, counts.missed_rate) == (2, 1, 0.5)
    assert (counts.reviews, counts.agreed, counts.overrode, counts.override_rate) == (2, 1, 1, 0.5)
    assert found.missed_count == 1
    assert (found.missed[0].scan_id, found.missed[0].prediction_id) == (missed.pk, answer.pk)
    assert found.missed[0].site == "Radiology North"


def test_a_false_alarm_counts(figures: Figures, sent: Sent, model: ModelVersion, rita: User, review: Reviews) -> None:
    scan = sent()
    row_answer(scan, model, "covid")
    review(scan, rita, "non_covid", "Oedema.")
    counts = figures().total
    assert (counts.not_infected, counts.false_alarms, counts.false_alarm_rate) == (1, 1, 1.0)


def test_a_changed_mind_counts_once(
    figures: Figures, sent: Sent, model: ModelVersion, rita: User, review: Reviews
) -> None:
    scan = sent()
    row_answer(scan, model, "covid")
    review(scan, rita, "non_covid", "Oedema.")
    review(scan, rita, "covid", "Looked again.")
    counts = figures().total
    assert (counts.reviews, counts.agreed, counts.overrode) == (1, 1, 0)


def test_a_scan_read_again_counts_under_both_models_and_its_review_under_the_one_on_screen(
    figures: Figures, sent: Sent, old: ModelVersion, model: ModelVersion, rita: User, review: Reviews
) -> None:
    scan = sent()
    row_answer(scan, old, "non_covid", 0.2)
    review(scan, rita, "covid", "Ground glass.")
    row_answer(scan, model, "covid", 0.9, at=scan.uploaded_at + timedelta(hours=1))
    found = figures()
    new, before = found.models
    assert (before.name, before.counts.scans, before.counts.missed, before.counts.overrode) == ("net 0", 1, 1, 1)
    assert (new.counts.scans, new.counts.missed, new.counts.reviews) == (1, 0, 0)
    assert (found.total.scans, found.total.missed, found.total.overrode) == (1, 0, 1)


def test_a_candidate_and_its_shadow_answers_do_not_count(figures: Figures, sent: Sent, model: ModelVersion) -> None:
    scan = sent()
    row_answer(scan, model)
    row_answer(scan, make_model("2", is_shadow=True), "non_covid", speaks=False)
    found = figures()
    assert [each.model_id for each in found.models] == [model.pk]
    assert found.total.scans == 1


def test_what_a_model_said_silently_before_its_promotion_never_counts(
    figures: Figures, sent: Sent, old: ModelVersion, model: ModelVersion, now: datetime
) -> None:
    serve(old, now - timedelta(days=9), now + timedelta(hours=1))
    serve(model, now + timedelta(hours=1))
    before, after = sent(), sent(at=now + timedelta(hours=2))
    row_answer(before, old)
    row_answer(before, model, "non_covid", speaks=False)
    row_answer(after, model)
    found = figures()
    assert {each.name: each.counts.scans for each in found.models} == {"net 0": 1, "phantom-net 1": 1}


def test_what_the_old_model_finished_after_its_retirement_counts(
    figures: Figures, sent: Sent, old: ModelVersion, now: datetime
) -> None:
    serve(old, now - timedelta(days=9), now)
    row_answer(sent(), old, wait=30)
    assert figures().total.done == 1


def test_a_withdrawn_scan_does_not_count(figures: Figures, sent: Sent, model: ModelVersion) -> None:
    scan = sent()
    row_answer(scan, model)
    scan.withdraw(reason="Wrong patient.")
    assert figures().total.scans == 0


def test_synthetic_scans_are_counted_also_on_their_own(figures: Figures, sent: Sent, model: ModelVersion) -> None:
    row_answer(sent(is_synthetic=True), model)
    row_answer(sent(), model)
    found = figures()
    assert (found.total.scans, found.total.synthetic) == (2, 1)


def test_days_are_those_of_the_users_zone(sent: Sent, model: ModelVersion, max: User) -> None:
    from datetime import UTC

    row_answer(sent(at=datetime(2026, 3, 10, 23, 30, tzinfo=UTC)), model)
    tenth, eleventh = date(2026, 3, 10), date(2026, 3, 11)
    in_utc = monitor(max, site=None, start=tenth, end=tenth)
    assert (in_utc.total.scans, in_utc.timezone) == (1, "UTC")
    max.timezone = "Europe/Berlin"
    assert monitor(max, site=None, start=tenth, end=tenth).total.scans == 0
    found = monitor(max, site=None, start=tenth, end=eleventh)
    assert found.timezone == "Europe/Berlin"
    assert [(point.start, point.counts.scans) for point in found.series] == [(tenth, 0), (eleventh, 1)]


def test_a_long_time_is_drawn_by_weeks(figures: Figures, sent: Sent, model: ModelVersion) -> None:
    row_answer(sent(), model)
    found = figures(days=100)
    assert found.step == SeriesStep.WEEK
    assert all(point.start.weekday() == 0 for point in found.series)
    assert found.series[-1].counts.scans == 1 == sum(point.counts.scans for point in found.models[0].series)


def test_a_time_that_is_none_is_refused_in_words(max: User) -> None:
    with pytest.raises(WrongState, match="before it begins"):
        monitor(max, site=None, start=date(2026, 2, 2), end=date(2026, 2, 1))
    with pytest.raises(WrongState, match="at most five years"):
        monitor(max, site=None, start=date(2000, 1, 1), end=date(2026, 2, 1))
    with pytest.raises(WrongState, match="knows no days"):
        monitor(max, site=None, start=date.min, end=date.min)
    with pytest.raises(WrongState, match="knows no days"):
        monitor(max, site=None, start=date.max, end=date.max)


def test_only_managers_and_superusers_see_figures(
    figures: Figures, north: Site, south: Site, cara: User, rita: User, otto: User, sue: User
) -> None:
    for person, site in [(cara, None), (cara, north), (rita, north), (otto, north)]:
        with pytest.raises(PermissionDenied):
            figures(person, site)
    assert figures(sue).sites == ["Radiology North", "Radiology South"]
    assert figures(sue, south).sites == ["Radiology South"]
    assert figures(otto).sites == ["Radiology South"]
    sue.is_active = False
    with pytest.raises(PermissionDenied):
        figures(sue)


def test_a_portal_without_sites_has_empty_figures(
    figures: Figures, north: Site, sue: User, model: ModelVersion
) -> None:
    Membership.objects.all().delete()
    north.delete()
    found = figures(sue)
    assert (found.sites, found.models, found.total.scans, found.readers.scans) == ([], [], 0, 0)


def test_a_manager_sees_the_sites_that_he_manages_and_no_other(
    figures: Figures, sent: Sent, sent_to_south: Sent, model: ModelVersion, south: Site, sue: User, max: User
) -> None:
    row_answer(sent(), model)
    row_answer(sent_to_south(), model)
    assert (figures().total.scans, figures(sue).total.scans, figures(sue, south).total.scans) == (1, 2, 1)


def test_a_blinded_reader_who_manages_learns_nothing_of_what_is_still_to_decide(
    figures: Figures, sent_to_south: Sent, model: ModelVersion, otto: User, south: Site, review: Reviews
) -> None:
    decided, undecided = sent_to_south(), sent_to_south()
    for scan in (decided, undecided):
        row_answer(scan, model, "non_covid", 0.1)
    review(decided, otto, "covid")
    colleague = make_person("olga", (south, "reader"))
    review(undecided, colleague, "covid")
    review(decided, colleague, "covid")
    found = figures(otto)
    assert (found.total.scans, found.hidden_scans) == (1, 1)
    assert [missed.scan_id for missed in found.missed] == [decided.pk]
    assert found.models[0].counts.scans == 1
    assert (found.readers.scans, found.models[0].counts.reviews) == (1, 2)


def test_blinded_decisions_agree_or_not_but_override_nothing(
    figures: Figures, sent_to_south: Sent, model: ModelVersion, otto: User, review: Reviews
) -> None:
    scan = sent_to_south()
    row_answer(scan, model, "covid")
    review(scan, otto, "non_covid")
    counts = figures(otto).total
    assert (counts.reviews, counts.agreed, counts.seen, counts.override_rate) == (1, 0, 0, None)


def test_a_closed_case_hides_nothing_any_more(
    figures: Figures, sent_to_south: Sent, model: ModelVersion, otto: User, now: datetime
) -> None:
    scan = sent_to_south()
    row_answer(scan, model)
    Case.objects.filter(pk=scan.case_id).update(status="closed", closed_at=now)
    assert (figures(otto).total.scans, figures(otto).hidden_scans) == (1, 0)


def test_nobody_waits_for_a_scan_that_is_read_again(
    figures: Figures, sent: Sent, old: ModelVersion, model: ModelVersion
) -> None:
    scan = sent()
    row_answer(scan, old, wait=10)
    again = row_answer(scan, model, at=scan.uploaded_at + timedelta(days=1), wait=5000)
    Prediction.objects.filter(pk=again.pk).update(urgency=Urgency.REREADING)
    found = figures(days=9)
    assert [each.counts.median_wait for each in found.models if each.name == "net 0"] == [10]
    assert found.total.median_wait is None
    Prediction.objects.filter(pk=again.pk).update(status="queued", finished_at=None)
    assert figures(days=9).total.overdue == 0
