"""Tests the hub of the learning loop: its state, and the one thing to do next."""

import pytest
from django.urls import reverse

from learning.datasets.build import build_dataset
from learning.models import ServicePeriod, TrainingRun
from learning.service.overrides import request_override
from learning.service.promotion import refuse_model
from tests.cast import make_person
from tests.pages.learning_cast import make_base_set, make_comparison, make_dataset, make_model, make_run

MOST_QUERIES = 49
PAGES = ["learning", "dataset-list", "dataset-build", "training-list", "training-start", "comparison-list"]


def text(response):
    return " ".join(response.content.decode().split())


@pytest.fixture
def hub(login):
    """hub(max): the page as this person sees it."""
    return lambda person: text(login(person).get(reverse("learning")))


@pytest.fixture
def dataset(north, max):
    return make_dataset(north, user=max)


@pytest.fixture
def candidate(settings, tmp_path, model):
    settings.MODEL_STORE = tmp_path / "store"
    return make_model(tmp_path, "2", parent=model)


@pytest.mark.parametrize("name", PAGES)
def test_the_loop_is_for_managers(login, client, cara, rita, max, name):
    assert client.get(reverse(name)).status_code == 302
    for person in (cara, rita):
        assert login(person).get(reverse(name)).status_code == 403
    assert login(max).get(reverse(name)).status_code == 200


def test_managers_find_the_loop_in_the_bar_and_readers_do_not(login, max, rita):
    assert 'data-shortcut="g t"' in text(login(max).get("/"))
    assert 'data-shortcut="g t"' not in text(login(rita).get("/"))


def test_without_anything_labels_come_first(hub, max):
    page = hub(max)
    assert "Not enough labels to train yet" in page
    assert "Not enough yet: <strong>0 of 10 training patients with COVID-19</strong>" in page
    assert f"{reverse('worklist')}?needs_review=on&amp;sort=teaching" in page
    assert "manage.py import_labels FOLDER" in page
    assert "No model" in page


def test_a_data_set_that_is_too_small_is_not_proposed_for_training(hub, max, north, scan, rita, review):
    review(scan, rita)
    dataset, _ = build_dataset(user=max, sites=[north], base_sets=[])
    page = hub(max)
    assert f"Train on {dataset}" not in page
    assert "Not enough labels to train yet" in page


def test_a_base_set_leads_to_the_first_data_set(hub, max):
    make_base_set()
    assert "Build a data set" in hub(max)


def test_a_data_set_leads_to_training(hub, max, dataset, model):
    assert f"Train on {dataset}" in hub(max)


def test_a_run_under_way_shows_how_far_it_is_and_is_watched(hub, max, dataset, model):
    make_run(dataset, "running", parent=model)
    page = hub(max)
    assert "A new model is being trained" in page
    assert "epoch 6 of at most 12" in page
    assert 'hx-trigger="every 10s"' in page


def test_a_failed_run_says_why(hub, max, dataset, model):
    make_run(dataset, "failed", parent=model)
    assert "the disk is full. Make room and train again." in hub(max)


def test_a_finished_run_without_comparison_leads_to_one(hub, max, dataset, candidate):
    make_run(dataset, "done", model=candidate)
    assert "Compare phantom-net 2" in hub(max)


def test_a_candidate_that_meets_the_criteria_waits_for_who_may_decide(
    hub, max, otto, north, south, dataset, model, candidate
):
    make_run(dataset, "done", model=candidate)
    make_comparison(dataset, model, candidate)
    everywhere = make_person("eva", (north, "manager"), (south, "manager"))
    assert "Decide on phantom-net 2" in hub(everywhere)
    page = hub(max)
    assert "phantom-net 2 is waiting for a decision" in page
    assert "Only a superuser or a manager of all sites can promote." in page


def test_a_candidate_that_does_not_meet_the_criteria_leads_to_the_reasons(hub, max, dataset, model, candidate):
    make_run(dataset, "done", model=candidate)
    make_comparison(dataset, model, candidate, now=0.8)
    assert "phantom-net 2 does not meet the promotion criteria" in hub(max)


def test_who_may_decide_is_asked_as_second_person_and_who_asked_is_not(hub, max, sue, dataset, model, candidate):
    comparison = make_comparison(dataset, model, candidate, now=0.8)
    request_override(comparison=comparison, user=max, reason="The scanner changed.")
    assert "A second person is needed" in hub(sue)
    assert "A second person is needed" not in hub(max)
    refuse_model(model=candidate, user=sue, reason="Worse for the old.")
    assert "A second person is needed" not in hub(sue)


def test_scans_with_an_earlier_models_answer_are_offered_for_reading_again(hub, max, answered, model, candidate):
    from learning.models import Entry
    from learning.service.activation import put_into_service

    put_into_service(candidate, user=max, entry=Entry.COMMAND)
    page = hub(max)
    assert "1 scan of 1 open case still has the answer of an earlier model." in page.replace("&#x27;", "'")
    assert "Roll back to phantom-net 1" in page


def test_another_sites_loop_does_not_show(hub, otto, dataset, model):
    make_run(dataset, "running", parent=model)
    page = hub(otto)
    assert str(dataset) not in page
    assert str(TrainingRun.objects.get()) not in page


def test_the_page_asks_the_database_little(login, max, dataset, model, candidate, django_assert_max_num_queries):
    make_run(dataset, "done", model=candidate)
    make_comparison(dataset, model, candidate)
    ServicePeriod.objects.create(model=model, entry="command")
    client = login(max)
    with django_assert_max_num_queries(MOST_QUERIES):
        client.get(reverse("learning"))
