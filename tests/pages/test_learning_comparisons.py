"""The comparison page: the gate's verdict, what changes for whom, and who may decide what."""

import pytest
from django.urls import reverse

from inference.models import ModelVersion
from learning.models import ComparisonRequest, GateOverride, PatientSplit
from learning.service.overrides import request_override
from tests.cast import make_case, make_patient, make_person, make_scan
from tests.pages.learning_cast import make_comparison, make_dataset, make_model, make_run


def text(response):
    return " ".join(response.content.decode().split())


@pytest.fixture(autouse=True)
def store(settings, tmp_path):
    settings.MODEL_STORE = tmp_path / "store"


@pytest.fixture
def dataset(north, max):
    return make_dataset(north, user=max)


@pytest.fixture
def candidate(tmp_path, model):
    return make_model(tmp_path, "2", parent=model)


@pytest.fixture
def better(dataset, model, candidate):
    return make_comparison(dataset, model, candidate)


@pytest.fixture
def worse(dataset, model, candidate):
    return make_comparison(dataset, model, candidate, now=0.8)


@pytest.fixture
def show(login):
    """show(max, comparison)"""
    return lambda person, comparison: text(login(person).get(reverse("comparison", args=[comparison.pk])))


def test_the_verdict_comes_in_words_with_missed_infections_first(show, max, better):
    page = show(max, better)
    champion, challenger = better.figures["champion"], better.figures["challenger"]
    assert "phantom-net 2 meets the promotion criteria" in page
    missed = f"misses {challenger['false_negatives']}, the model in service {champion['false_negatives']}"
    assert missed in page
    assert page.index("</span> missed") < page.index("correctly negative")


def test_too_few_infected_patients_are_said_in_one_sentence_and_nothing_is_offered(
    show, sue, dataset, model, candidate, monkeypatch
):
    monkeypatch.setattr("tests.pages.learning_cast.SMALL_TEST_SIDE", {})  # as an installation judges by default
    few = make_comparison(dataset, model, candidate, before=0.0, now=0.0)
    page = show(sue, few)
    infected = few.figures["infected_patients"]
    assert f"<strong>Only {infected} infected test patients were compared; at least 205 are needed.</strong>" in page
    assert "205 give a chance of 80 % to show" in page
    assert "Promote phantom-net 2</button>" not in page


def test_what_stops_a_candidate_is_said(show, max, worse):
    page = show(max, worse)
    assert "phantom-net 2 does not meet the promotion criteria" in page
    assert "Its lower end is below the allowed" in page
    assert "It cannot be promoted unless two people agree" in page
    assert "Promote phantom-net 2</button>" not in page


def test_figures_calibration_subgroups_and_who_was_left_out_are_there(show, max, better):
    page = show(max, better)
    assert "The share of scans with COVID-19 that the model finds." in page
    assert "expected calibration error" in page
    assert "By source" in page
    assert "2 test patients were left out" in page


def test_changed_answers_lead_to_their_cases_new_finds_first(
    show, login, max, north, cara, rita, review, model, candidate
):
    scans = [make_scan(make_case(make_patient(north)), cara) for _ in range(12)]
    for scan in scans:
        review(scan, rita)
        PatientSplit.objects.create(patient_key=f"patient:{scan.case.patient.pseudonym}", split="test")
    comparison = make_comparison(make_dataset(north, user=max), model, candidate)
    page = show(max, comparison)
    assert page.index("Missed before, found now") < page.index("Found before, missed now")
    assert any(reverse("case-read", args=[scan.case_id]) in page for scan in scans)
    assert "Radiology North" in page


def test_a_blinded_reader_who_manages_sees_no_changed_scan_before_deciding(
    show, otto, south, review, model, candidate, media
):
    ole = make_person("ole", (south, "reader"))
    for _ in range(12):
        scan = make_scan(make_case(make_patient(south)), otto)
        review(scan, ole)
        PatientSplit.objects.create(patient_key=f"patient:{scan.case.patient.pseudonym}", split="test")
    page = show(otto, make_comparison(make_dataset(south, user=otto), model, candidate))
    assert "are not listed here until you have decided on them yourself" in page
    assert f">Scan {scan.pk}</a>" not in page


def test_only_who_manages_every_site_is_offered_what_concerns_every_site(show, max, south, sue, better, worse_too):
    for comparison in (better, worse_too):
        page = show(max, comparison)
        assert "a superuser or a manager of all sites can do it" in page
        for words in ("Promote phantom-net", "Ask to override", "Refuse it", "Run in shadow mode"):
            assert words not in page
    assert "Promote phantom-net 2</button>" in show(sue, better)
    assert "Ask a second person" in show(sue, worse_too)


@pytest.fixture
def worse_too(dataset, model, tmp_path):
    return make_comparison(dataset, model, make_model(tmp_path, "3", parent=model), now=0.8)


def test_a_second_person_is_offered_the_decision_and_who_asked_is_not(show, max, sue, worse):
    request_override(comparison=worse, user=max, reason="The scanner changed.")
    assert "A second person must decide; you asked." in show(max, worse)
    page = show(sue, worse)
    assert "The scanner changed." in page
    assert 'value="approve"' in page


def test_a_comparison_with_a_model_that_has_left_service_says_so(show, sue, better, tmp_path, model):
    ModelVersion.objects.filter(pk=model.pk).update(status="retired")
    make_model(tmp_path, "4", status="active")
    page = show(sue, better)
    assert "compare with that one" in page
    assert "Promote phantom-net 2</button>" not in page


def test_comparing_again_asks_the_training_worker(login, max, better, model, tmp_path, dataset):
    run = make_run(dataset, "done", model=better.challenger)
    ModelVersion.objects.filter(pk=model.pk).update(status="retired")
    make_model(tmp_path, "4", status="active")
    address = reverse("model-compare", args=[better.challenger_id])
    response = login(max).post(address, {"dataset": dataset.pk}, follow=True)
    assert ComparisonRequest.objects.get().champion.version == "4"
    assert response.redirect_chain == [(reverse("training-run", args=[run.pk]), 302)]


def test_comparing_the_same_again_is_refused_in_words(login, max, otto, better, dataset):
    address = reverse("model-compare", args=[better.challenger_id])
    refused = login(max).post(address, {"dataset": dataset.pk})
    assert refused.status_code == 409
    assert "look there" in text(refused)
    assert login(otto).post(address, {"dataset": dataset.pk}).status_code == 404
    assert login(max).post(address, {"dataset": "x"}).status_code == 404


def test_another_sites_comparison_is_not_there(login, client, rita, otto, better):
    address = reverse("comparison", args=[better.pk])
    assert client.get(address).status_code == 302
    assert login(rita).get(address).status_code == 403
    assert login(otto).get(address).status_code == 404
    assert "phantom-net 2" not in text(login(otto).get(reverse("comparison-list")))


def test_the_list_tells_gate_and_missed_infections(login, max, worse):
    page = text(login(max).get(reverse("comparison-list")))
    assert "Criteria not met" in page
    assert str(worse.figures["challenger"]["false_negatives"]) in page


def test_the_page_asks_the_database_little(login, sue, better, django_assert_max_num_queries):
    client = login(sue)
    with django_assert_max_num_queries(25):
        client.get(reverse("comparison", args=[better.pk]))


def test_nobody_has_decided_by_looking(show, sue, worse):
    show(sue, worse)
    assert not GateOverride.objects.exists()
