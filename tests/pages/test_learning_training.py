"""Preparing, starting, watching and cancelling a training, as pages."""

import pytest
from django.urls import reverse

from ctportal.pages.learning.settings import SETTING_WORDS
from learning.comparison.requests import request_comparison
from learning.models import Method, TrainingRun
from learning.training.recipes import options_of
from tests.pages.learning_cast import HISTORY, make_comparison, make_dataset, make_model, make_run

CAREFUL = {"start": "service", "method": "head", "replay": "on"}


def text(response):
    return " ".join(response.content.decode().split())


@pytest.fixture(autouse=True)
def stores(settings, tmp_path):
    settings.MODEL_STORE = tmp_path / "store"
    settings.TRAINING_STORE = tmp_path / "training"


@pytest.fixture
def dataset(north, max):
    return make_dataset(north, user=max)


@pytest.fixture
def running(dataset, model):
    return make_run(dataset, "running", parent=model, log_tail="pass 6: loss 0.1")


def poll(client, run, seen):
    return client.get(reverse("training-progress", args=[run.pk]), {"seen": seen}, headers={"HX-Request": "true"})


def seen_on(client, run):
    return client.get(reverse("training-run", args=[run.pk])).context["fingerprint"]


def test_without_a_data_set_the_page_says_what_comes_first(login, max):
    assert "A data set comes first" in text(login(max).get(reverse("training-start")))


def test_the_page_says_what_a_training_would_use(login, max, dataset, model):
    page = text(login(max).get(reverse("training-start")))
    assert "Start the training" in page
    assert "Test patients (held out)" in page
    assert "how long it takes cannot be told beforehand" in page


def test_settings_follow_from_method_and_start(login, max, dataset, model):
    choice = {"look": "1", "dataset": dataset.pk, "start": "scratch", "method": "finetune", "replay": "on"}
    page = text(login(max).get(reverse("training-start"), choice))
    assert "Maximum epochs" in page
    assert '<option value="" selected>Usual: 4</option>' in page
    assert 'name="epochs"' not in text(login(max).get(reverse("training-start"), choice | CAREFUL))


def test_refusals_come_in_words_and_without_a_button(login, max, dataset, running):
    page = text(login(max).get(reverse("training-start")))
    assert "only one can be at work" in page
    assert "Start the training" not in page
    refused = login(max).post(reverse("training-start"), CAREFUL | {"dataset": dataset.pk})
    assert refused.status_code == 409
    assert "only one can be at work" in text(refused)


def test_starting_queues_a_run_and_shows_it(login, max, dataset, model):
    response = login(max).post(reverse("training-start"), CAREFUL | {"dataset": dataset.pk, "seed": "7"}, follow=True)
    run = TrainingRun.objects.get()
    assert (run.method, run.parent, run.settings["seed"]) == ("head", model, 7)
    assert response.redirect_chain == [(reverse("training-run", args=[run.pk]), 302)]
    assert "Waiting for a training worker." in text(response)


def test_every_setting_of_a_recipe_has_words():
    names = {option.name for method in Method for option in options_of(method=method, parent=None)}
    assert names <= set(SETTING_WORDS)


def test_what_is_left_empty_is_as_the_recipe_has_it(login, max, dataset, model):
    bare = {"dataset": dataset.pk, "start": "scratch", "method": "finetune", "replay": "on", "stages": "", "epochs": ""}
    login(max).post(reverse("training-start"), bare)
    settings = TrainingRun.objects.get().settings
    defaults = {option.name: option.default for option in options_of(method="finetune", parent=None)}
    assert settings == defaults


def test_a_form_that_does_not_fit_comes_back(login, max, dataset, model):
    bad = {"dataset": dataset.pk, "start": "scratch", "method": "finetune", "epochs": "0", "rate": "fast"}
    response = login(max).post(reverse("training-start"), bad)
    assert response.status_code == 422
    assert "The form has an error" in text(response)
    assert not TrainingRun.objects.exists()


def test_the_same_again_offers_the_earlier_result(login, max, dataset, model, tmp_path):
    client, choice = login(max), CAREFUL | {"dataset": dataset.pk}
    client.post(reverse("training-start"), choice)
    made = make_model(tmp_path, "2", parent=model)
    TrainingRun.objects.update(status="done", model=made, finished_at="2026-11-24T12:00Z")
    earlier = TrainingRun.objects.get()
    page = text(client.get(reverse("training-start")))
    assert "had the same data and settings" in page
    assert "Use that result" in page
    assert client.post(reverse("training-start"), choice).status_code == 409
    client.post(reverse("training-start"), choice | {"again": "1"})
    assert TrainingRun.objects.exclude(pk=earlier.pk).count() == 1


def test_a_run_shows_stage_time_curves_and_log(login, max, running):
    page = text(login(max).get(reverse("training-run", args=[running.pk])))
    assert "epoch 6 of at most 12" in page
    assert "About 7 minutes left" in page
    assert "pass 6: loss 0.1" in page
    assert 'data-table="loss-table"' in page
    assert 'data-value="0.933333"' in page


def test_polling_says_nothing_until_something_changes(login, max, running):
    client = login(max)
    seen = seen_on(client, running)
    assert poll(client, running, seen).status_code == 204
    TrainingRun.objects.update(log_tail="pass 7")
    changed = poll(client, running, seen)
    assert "pass 7" in text(changed)
    assert "loss-table" not in text(changed)


def test_polling_brings_the_figures_of_a_new_pass(login, max, running):
    client = login(max)
    seen = seen_on(client, running)
    more = [*HISTORY, {**HISTORY[-1], "epoch": 7}]
    TrainingRun.objects.update(progress=running.progress | {"epoch": 7, "history": more})
    assert 'id="accuracy-table" hx-swap-oob="true"' in text(poll(client, running, seen))
    TrainingRun.objects.update(progress=running.progress | {"epoch": 0, "history": []})
    unseen = seen_on(client, running)
    TrainingRun.objects.update(progress=running.progress)
    assert 'id="curves"' in text(poll(client, running, unseen))


def test_polling_reloads_the_page_once_the_run_has_ended(login, max, running):
    client = login(max)
    seen = seen_on(client, running)
    TrainingRun.objects.update(status="failed", error="The disk is full.", lease_until=None)
    assert poll(client, running, seen)["HX-Refresh"] == "true"
    page = text(client.get(reverse("training-run", args=[running.pk])))
    assert "The disk is full." in page
    assert "Prepare another run" in page
    assert "hx-trigger" not in page.split('id="run"')[1].split(">")[0]


def test_a_finished_run_shows_its_comparison(login, max, dataset, model, tmp_path):
    made = make_model(tmp_path, "2", parent=model)
    run = make_run(dataset, "done", model=made)
    address = reverse("training-run", args=[run.pk])
    assert "It has not been compared" in text(login(max).get(address))
    request = request_comparison(user=max, dataset=dataset, challenger=made)
    assert "read the same test patients" in text(login(max).get(address))
    comparison = make_comparison(dataset, model, made)
    type(request).objects.update(status="done", comparison=comparison)
    page = text(login(max).get(address))
    assert "Criteria met" in page
    assert "See the comparison" in page


def test_a_failed_comparison_says_why_and_offers_another(login, max, dataset, model, tmp_path):
    made = make_model(tmp_path, "2", parent=model)
    run = make_run(dataset, "done", model=made)
    request = request_comparison(user=max, dataset=dataset, challenger=made)
    type(request).objects.update(status="failed", error="The test side has too few patients.")
    page = text(login(max).get(reverse("training-run", args=[run.pk])))
    assert "The test side has too few patients." in page
    assert "Compare with phantom-net 1" in page


def test_cancelling_ends_the_run_and_twice_is_refused_in_words(login, max, running):
    address = reverse("training-cancel", args=[running.pk])
    assert "is cancelled" in text(login(max).post(address, follow=True))
    assert login(max).post(address).status_code == 409


def test_another_sites_run_is_not_there(login, client, rita, otto, running):
    for name, call in (("training-run", "get"), ("training-progress", "get"), ("training-cancel", "post")):
        address = reverse(name, args=[running.pk])
        assert getattr(login(rita), call)(address).status_code == 403
        assert getattr(login(otto), call)(address).status_code == 404
    assert str(running) not in text(login(otto).get(reverse("training-list")))


def test_the_list_tells_every_run(login, max, dataset, running):
    make_run(dataset, "failed")
    page = text(login(max).get(reverse("training-list")))
    assert "Running" in page
    assert "Failed" in page


def test_another_run_can_be_prepared_from_a_failed_one(login, max, dataset, model):
    run = make_run(dataset, "failed", method="finetune", settings={"epochs": 3, "seed": 5})
    page = text(login(max).get(reverse("training-start"), {"run": run.pk}))
    assert 'name="epochs" value="3"' in page
