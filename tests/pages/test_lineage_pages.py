"""Tests lineage: from an answer back to who gave the labels, from a scan to where it was used, from a set to its
readers.
"""

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import Action, Event
from cases.models import Label, Scan
from inference.models import ModelVersion, Prediction
from learning.models import TrainingRun
from tests.cast import answer, make_case, make_person, make_scan
from tests.pages.lineage_cast import freeze

pytestmark = pytest.mark.django_db

MOST_QUERIES = 40


def text(response):
    return response.content.decode()


@pytest.fixture
def dataset(answered, rita, review):
    review(answered, rita)
    answered.refresh_from_db()
    return freeze(answered)


@pytest.fixture
def child(model, dataset, max):
    """Provides a candidate trained from the model in service on that data set."""
    child = ModelVersion.objects.create(
        name="phantom-net", version="2", architecture="resnet18", sha256="2" * 64, parent=model
    )
    now = timezone.now()
    TrainingRun.objects.create(
        dataset=dataset, parent=model, method="head", fingerprint="f" * 64, status="done",
        requested_by=max, requested_at=now, started_at=now, finished_at=now, model=child,
    )  # fmt: skip
    return child


@pytest.fixture
def of_child(answered, child):
    """The same scan, answered by the candidate once it was in service."""
    ModelVersion.objects.filter(status="active").update(status="retired")
    ModelVersion.objects.filter(pk=child.pk).update(status="active", activated_at=timezone.now())
    child.refresh_from_db()
    return answer(answered, child, "covid", 0.97)


# --- of an answer ---


def test_an_answer_leads_back_to_model_run_data_set_and_readers(login, max, of_child, child, dataset):
    page = text(login(max).get(reverse("prediction-lineage", args=[of_child.pk])))
    for words in ("Opacities as in COVID-19 likely", "97 %", "phantom-net 2", "phantom-net 1", "Rita", "1 reader"):
        assert words in page, words
    for address in (
        reverse("model-detail", args=[child.pk]),
        reverse("dataset-lineage", args=[dataset.pk]),
        reverse("case-detail", args=[of_child.scan.case_id]),
    ):
        assert address in page


def test_who_does_not_manage_the_sites_sees_sizes_and_no_names(login, cara, of_child, dataset):
    page = text(login(cara).get(reverse("prediction-lineage", args=[of_child.pk])))
    assert "1 scan of 1 patient" in page
    assert reverse("dataset-lineage", args=[dataset.pk]) not in page
    assert "only managers of" in page


def test_an_answer_is_for_those_who_see_its_scan(login, client, otto, of_child, rita):
    address = reverse("prediction-lineage", args=[of_child.pk])
    assert client.get(address)["Location"].startswith("/accounts/login/")
    assert login(otto).get(address).status_code == 404
    assert login(rita).get(address).status_code == 200
    assert login(rita).get(reverse("prediction-lineage", args=[of_child.pk + 1])).status_code == 404


def test_a_blinded_reader_sees_no_answer_before_deciding(login, otto, south, jonas, model, review, media):
    scan = make_scan(make_case(jonas), otto)
    given = answer(scan, model)
    review(scan, make_person("ole", (south, "reader")), Label.COVID)
    response = login(otto).get(reverse("prediction-lineage", args=[given.pk]))
    assert response.status_code == 403
    page = text(login(otto).get(reverse("scan-lineage", args=[scan.pk])))
    assert "Hidden until you decide" in page
    assert "Opacities as in COVID-19 likely" not in page
    assert "Ole" not in page
    review(scan, otto, Label.COVID)
    assert login(otto).get(reverse("prediction-lineage", args=[given.pk])).status_code == 200
    assert "Opacities as in COVID-19 likely" in text(login(otto).get(reverse("scan-lineage", args=[scan.pk])))


def test_the_answer_of_a_shadow_is_not_shown_in_lineage(login, cara, answered, child):
    ModelVersion.objects.filter(pk=child.pk).update(is_shadow=True)
    silent = Prediction.objects.create(
        scan=answered, model_version=child, status="done", decision="non_covid", probability=0.123,
        finished_at=timezone.now(),
    )  # fmt: skip
    assert login(cara).get(reverse("prediction-lineage", args=[silent.pk])).status_code in (403, 404)
    page = text(login(cara).get(reverse("scan-lineage", args=[answered.pk])))
    assert "12.3 %" not in page


def test_who_follows_an_answer_has_seen_the_case_and_is_on_record(login, rita, max, answered):
    login(max).get(reverse("prediction-lineage", args=[answered.prediction_id]))
    login(rita).get(reverse("scan-lineage", args=[answered.pk]))
    seen = Event.objects.filter(action=Action.CASE_VIEWED, case_id=answered.case_id)
    assert set(seen.values_list("actor", flat=True)) == {max.pk, rita.pk}


def test_an_answer_that_is_still_to_come_says_so(login, cara, model, scan):
    waiting = Prediction.objects.get(scan=scan)
    assert "No answer yet" in text(login(cara).get(reverse("prediction-lineage", args=[waiting.pk])))


# --- of a scan ---


def test_a_scan_shows_where_it_was_used(login, max, answered, dataset, child):
    page = text(login(max).get(reverse("scan-lineage", args=[answered.pk])))
    for words in (
        "Rita",
        "Training</strong>",
        "one reader",
        f"Data set {dataset.pk}",
        "phantom-net 2",
        "How it came about",
    ):
        assert words in page, words
    assert reverse("dataset-lineage", args=[dataset.pk]) in page


def test_a_scan_in_no_data_set_says_so(login, cara, answered):
    assert "In no data set yet" in text(login(cara).get(reverse("scan-lineage", args=[answered.pk])))


def test_a_scan_of_another_site_does_not_exist(login, client, otto, answered):
    address = reverse("scan-lineage", args=[answered.pk])
    assert client.get(address).status_code == 302
    assert login(otto).get(address).status_code == 404


def test_the_case_page_says_for_what_a_scan_was_used(login, max, cara, answered, dataset):
    case = reverse("case-detail", args=[answered.case_id])
    page = text(login(max).get(case))
    assert f"Used for training in data set {dataset.pk}" in page
    assert reverse("scan-lineage", args=[answered.pk]) in page
    assert "Used for training in 1 data set" in text(login(cara).get(case))
    freeze(answered, content="2")
    assert "and 1 other" in text(login(max).get(case))


def test_the_case_page_of_a_blinded_reader_does_not_tell_the_use(login, otto, south, jonas, model, review, media):
    scan = make_scan(make_case(jonas), otto)
    answer(scan, model)
    review(scan, make_person("ole", (south, "reader")), Label.COVID)
    freeze(Scan.objects.get(pk=scan.pk), split="test")
    case = reverse("case-detail", args=[scan.case_id])
    assert "Kept for testing" not in text(login(otto).get(case))
    review(scan, otto, Label.COVID)
    assert "Kept for testing" in text(login(otto).get(case))


def test_the_reading_page_leads_to_how_the_answer_came_about(login, rita, answered):
    page = text(login(rita).get(reverse("case-read", args=[answered.case_id])))
    assert "How this answer came about" in page
    assert reverse("prediction-lineage", args=[answered.prediction_id]) in page


# --- of a data set ---


def test_a_data_set_leads_back_to_scans_and_readers(login, max, answered, dataset, child):
    page = text(login(max).get(reverse("dataset-lineage", args=[dataset.pk])))
    for words in (f"scan-{answered.pk:06}", "Rita", "phantom-net 2", "1" * 64):
        assert words in page, words
    assert reverse("scan-lineage", args=[answered.pk]) in page


def test_a_data_set_is_for_those_who_manage_all_its_sites(login, client, cara, rita, otto, sue, max, south, dataset):
    address = reverse("dataset-lineage", args=[dataset.pk])
    assert client.get(address).status_code == 302
    for person in (cara, rita, otto):
        assert login(person).get(address).status_code == 404
    assert login(sue).get(address).status_code == 200
    dataset.sites.add(south)
    assert login(max).get(address).status_code == 404


# --- all of them ---


def test_lineage_names_no_patient_and_asks_the_database_little(
    login, max, anna, answered, of_child, dataset, django_assert_max_num_queries
):
    client = login(max)
    for name, pk in (
        ("prediction-lineage", of_child.pk),
        ("scan-lineage", answered.pk),
        ("dataset-lineage", dataset.pk),
        ("model-detail", of_child.model_version_id),
    ):
        with django_assert_max_num_queries(MOST_QUERIES):
            page = text(client.get(reverse(name, args=[pk])))
        assert anna.name not in page
        assert anna.record_number not in page
