"""Promotion, refusal, override, shadow, rollback and reading again, pressed on pages."""

import pytest
from django.urls import reverse

from inference.models import ModelVersion, Prediction
from inference.service import active_model
from learning.models import Entry, GateOverride
from learning.service.activation import put_into_service
from tests.cast import answer, make_person, make_scan
from tests.pages.learning_cast import make_comparison, make_dataset, make_model


def text(response):
    return " ".join(response.content.decode().split())


@pytest.fixture(autouse=True)
def store(settings, tmp_path):
    settings.MODEL_STORE = tmp_path / "store"


@pytest.fixture
def serving(db, tmp_path):
    """Provides a model in service, with an artefact behind it."""
    made = make_model(tmp_path, "1")
    put_into_service(made, user=None, entry=Entry.COMMAND)
    made.refresh_from_db()
    return made


@pytest.fixture
def candidate(tmp_path, serving):
    return make_model(tmp_path, "2", parent=serving)


@pytest.fixture
def better(north, max, serving, candidate):
    return make_comparison(make_dataset(north, user=max), serving, candidate)


@pytest.fixture
def worse(north, max, serving, candidate):
    return make_comparison(make_dataset(north, user=max), serving, candidate, now=0.8)


@pytest.fixture
def post(login):
    """post(sue, "model-promote", pk, reason="…"): the answer, after whatever it leads to."""
    return lambda person, name, *args, **data: login(person).post(reverse(name, args=args), data, follow=True)


def test_promoting_puts_the_candidate_into_service_and_says_what_that_means(post, sue, better):
    response = post(sue, "model-promote", better.pk)
    assert active_model() == better.challenger
    assert "answers given so far keep the model that gave them" in text(response)
    assert "Promoted: criteria met" in text(response)


def test_promoting_against_the_gate_is_refused_in_words(post, sue, worse, serving):
    response = post(sue, "model-promote", worse.pk)
    assert response.status_code == 409
    assert "ask a second person to override them" in text(response)
    assert active_model() == serving


def test_the_record_of_events_tells_who_did_what_and_why(post, login, sue, max, worse):
    post(max, "override-request", worse.pk, reason="The scanner changed.")
    post(sue, "override-decide", GateOverride.objects.get().pk, decision="approve", comment="Agreed.")
    post(sue, "model-refuse", worse.challenger_id, reason="Worse for the old.")
    page = text(login(sue).get(reverse("events")))
    assert f"Comparison {worse.pk}: The scanner changed." in page
    assert f"Comparison {worse.pk}: approved. Agreed." in page
    assert f"Model {worse.challenger_id}: Worse for the old." in page
    assert f"Data set {worse.dataset_id}" in page


def test_two_people_override_the_gate(post, sue, max, worse):
    asked = post(max, "override-request", worse.pk, reason="The scanner changed.")
    assert "waits for a second person" in text(asked)
    override = GateOverride.objects.get()
    assert post(max, "override-decide", override.pk, decision="approve").status_code == 409
    approved = post(sue, "override-decide", override.pk, decision="approve", comment="Agreed.")
    assert "You approved the request." in text(approved)
    assert "Agreed." in text(approved)
    post(max, "model-promote", worse.pk)
    assert active_model() == worse.challenger


def test_a_refused_request_leaves_the_gate_shut(post, sue, max, worse):
    post(max, "override-request", worse.pk, reason="The scanner changed.")
    page = text(post(sue, "override-decide", GateOverride.objects.get().pk, decision="refuse"))
    assert "The criteria still apply." in page
    assert post(max, "model-promote", worse.pk).status_code == 409


@pytest.mark.parametrize("name", ["override-request", "model-refuse", "model-rollback"])
def test_what_needs_a_reason_is_refused_without_one(post, sue, worse, name):
    args = {"override-request": [worse.pk], "model-refuse": [worse.challenger_id], "model-rollback": []}[name]
    response = post(sue, name, *args, reason=" ")
    assert response.status_code == 409
    assert "reason; write one" in text(response)


def test_a_refused_candidate_can_no_longer_serve(post, sue, better):
    page = text(post(sue, "model-refuse", better.challenger_id, reason="Worse for the old."))
    assert "can no longer enter service" in page
    assert post(sue, "model-promote", better.pk).status_code == 409


def test_rolling_back_leads_to_the_model_before(post, sue, better, serving):
    post(sue, "model-promote", better.pk)
    page = text(post(sue, "model-rollback", leaving=better.challenger_id, reason="Too many false alarms."))
    assert active_model() == serving
    assert "phantom-net 1 is in service again." in page
    assert "Too many false alarms." in page


def test_rolling_back_what_has_left_already_is_refused(post, sue, better, tmp_path):
    post(sue, "model-promote", better.pk)
    third = make_model(tmp_path, "3")
    put_into_service(third, user=None, entry=Entry.COMMAND)
    response = post(sue, "model-rollback", leaving=better.challenger_id, reason="Too many false alarms.")
    assert response.status_code == 409
    assert active_model() == third


def test_a_candidate_runs_in_shadow_mode_until_it_is_stopped(post, login, sue, better):
    model = better.challenger
    page = text(post(sue, "shadow-start", model.pk))
    assert "Shadow mode" in page
    assert "Nothing to compare yet" in page
    assert "Stop shadow mode" in page
    page = text(post(sue, "shadow-stop", model.pk))
    assert "no longer runs in shadow mode" in page
    assert post(sue, "shadow-stop", model.pk).status_code == 409


def test_the_shadow_report_sets_both_beside_the_readers(login, sue, max, rita, scan, serving, candidate, review):
    answer(scan, serving, "non_covid", 0.2)
    silent = Prediction(scan=scan, model_version=candidate, urgency=4, status="done", decision="covid")
    silent.probability, silent.suitability, silent.attempts = 0.8, 0.9, 1
    silent.finished_at = silent.queued_at
    silent.save()
    page = text(login(max).get(reverse("shadow-report", args=[candidate.pk])))
    assert "Only the candidate is positive" in page
    assert "Opacities as in COVID-19 likely" in page
    assert "Readers have not decided any of these scans yet" in page
    review(scan, rita, "covid", "Ground glass on both sides.")
    assert "Against the readers, 1 scan" in text(login(max).get(reverse("shadow-report", args=[candidate.pk])))


def test_open_cases_are_read_again_at_the_chosen_sites(post, sue, max, scan, serving, candidate, north):
    answer(scan, serving)
    put_into_service(candidate, user=None, entry=Entry.COMMAND)
    assert "Choose a site" in text(post(max, "cases-reread"))
    page = text(post(max, "cases-reread", site=north.slug))
    assert "1 scan of open cases will be read again" in page
    assert Prediction.objects.filter(scan=scan, model_version=candidate, status="queued").exists()
    assert "Nothing is left to read again" in text(post(max, "cases-reread", site=north.slug))


def test_a_foreign_site_is_not_read_again(post, max, south, serving):
    assert "Choose a site" in text(post(max, "cases-reread", site=south.slug))


def actions(comparison):
    model = comparison.challenger_id
    return [
        ("model-promote", [comparison.pk]),
        ("override-request", [comparison.pk]),
        ("model-refuse", [model]),
        ("shadow-start", [model]),
        ("shadow-stop", [model]),
        ("model-rollback", []),
    ]


def test_a_manager_of_one_site_of_two_may_do_none_of_it(post, max, south, better, serving):
    for name, args in actions(better):
        response = post(max, name, *args, reason="Because.")
        assert response.status_code == 403, name
        assert "only a superuser or a manager of all sites" in text(response)
    assert active_model() == serving
    assert not ModelVersion.objects.filter(is_shadow=True).exists()


def test_readers_and_strangers_may_do_none_of_it(client, login, rita, otto, better):
    for name, args in [*actions(better), ("cases-reread", [])]:
        address = reverse(name, args=args)
        client.logout()
        assert client.post(address).status_code == 302
        assert login(rita).post(address).status_code == 403
        assert login(otto).post(address, {"reason": "x"}).status_code in (302, 403, 404), name
        assert login(otto).get(address).status_code == 405
    assert active_model() == better.champion


def test_another_sites_override_is_not_there(login, max, otto, worse):
    from learning.service.overrides import request_override

    override = request_override(comparison=worse, user=make_person("root", is_superuser=True), reason="Because.")
    assert login(otto).post(reverse("override-decide", args=[override.pk])).status_code == 404


def test_a_shadow_report_is_for_managers(login, client, rita, candidate):
    address = reverse("shadow-report", args=[candidate.pk])
    assert client.get(address).status_code == 302
    assert login(rita).get(address).status_code == 403


def test_a_new_scan_after_promotion_is_asked_of_the_new_model(post, sue, better, case, cara, media):
    post(sue, "model-promote", better.pk)
    scan = make_scan(case, cara)
    assert Prediction.objects.get(scan=scan).model_version == better.challenger


def test_after_a_rollback_the_comparison_offers_nothing(post, login, sue, better):
    post(sue, "model-promote", better.pk)
    post(sue, "model-rollback", reason="Too many false alarms.", leaving=better.challenger_id)
    page = text(login(sue).get(reverse("comparison", args=[better.pk])))
    assert "left it by a rollback" in page
    assert "Too many false alarms." in page
    for offer in ("Promote phantom-net 2</button>", "Ask a second person", "Compare again", "Run in shadow mode"):
        assert offer not in page
