"""The learning loop in a real browser: choices show at once what they give, a run is followed live, dialogs ask."""

import pytest
from playwright.sync_api import expect

from inference.service import active_model
from learning.models import TrainingRun
from tests.cast import make_person
from tests.pages.learning_cast import HISTORY, make_comparison, make_dataset, make_model, make_run

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def store(settings, tmp_path):
    settings.MODEL_STORE = tmp_path / "store"


@pytest.fixture
def eva(north):
    """Provides a manager of the only site, and so of all."""
    return make_person("eva", (north, "manager"))


@pytest.fixture
def dataset(north, eva):
    return make_dataset(north, user=eva)


def test_choices_show_what_they_give_and_one_press_starts_the_training(enter, eva, dataset, model):
    page = enter(eva, "/learning/runs/new/")
    page.get_by_text("Advanced settings").click()
    expect(page.get_by_label("Maximum epochs")).to_be_hidden()
    page.get_by_label("Train the whole network").check()
    expect(page.get_by_label("Maximum epochs")).to_be_visible()
    page.get_by_label("Maximum epochs").fill("3")
    page.get_by_label("Maximum epochs").press("Tab")
    with page.expect_response(lambda answer: "epochs=3" in answer.url):
        page.get_by_label("Train on base sets too").uncheck()
    expect(page.get_by_text("This cannot be started:")).to_be_visible()
    page.get_by_label("Train on base sets too").check()
    page.get_by_role("button", name="Start the training").click()
    expect(page.get_by_role("heading", name="Training run")).to_be_visible()
    assert TrainingRun.objects.get().settings["epochs"] == 3


def test_a_run_is_followed_until_it_ends(enter, eva, dataset, model, faults):
    run = make_run(dataset, "running", parent=model, progress={"stage": "reading", "done": 1, "total": 4})
    page = enter(eva, f"/learning/runs/{run.pk}/")
    expect(page.get_by_role("heading", name="Training curves")).to_be_hidden()
    told = {"stage": "training", "done": 2, "total": 12, "epoch": 2, "epochs": 12}
    TrainingRun.objects.update(progress=told | {"history": HISTORY[:2]}, log_tail="pass 2 of 12")
    expect(page.get_by_text("Training the network: epoch 2 of at most 12.")).to_be_visible(timeout=10_000)
    expect(page.locator("#log")).to_have_text("pass 2 of 12")
    page.get_by_text("The figures as tables").click()
    TrainingRun.objects.update(progress=told | {"epoch": 3, "history": HISTORY[:3]})
    expect(page.locator("#loss-table tbody tr")).to_have_count(3, timeout=10_000)
    assert page.evaluate("Chart.getChart(document.querySelector('canvas')).data.labels.length") == 3
    TrainingRun.objects.update(status="failed", error="The disk is full.", lease_until=None)
    expect(page.get_by_text("The disk is full.")).to_be_visible(timeout=10_000)
    expect(page.get_by_role("button", name="Cancel the run")).to_have_count(0)
    assert faults == []


def test_promoting_asks_first_and_says_the_consequence(enter, eva, dataset, model, tmp_path):
    made = make_model(tmp_path, "2", parent=model)
    comparison = make_comparison(dataset, model, made)
    page = enter(eva, f"/learning/comparisons/{comparison.pk}/")
    page.get_by_role("button", name="Promote phantom-net 2").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Every new scan at every site will be answered by phantom-net 2")
    dialog.get_by_role("button", name="Go back").click()
    assert active_model() == model
    page.get_by_role("button", name="Promote phantom-net 2").click()
    dialog.get_by_role("button", name="Promote it").click()
    expect(page.get_by_text("phantom-net 2 is in service.")).to_be_visible()
    assert active_model() == made


def test_the_data_sets_page_counts_again_at_each_choice(enter, eva, north, dataset):
    page = enter(eva, "/learning/datasets/new/")
    expect(page.get_by_text("already contains exactly these scans and labels")).to_be_visible()
    page.get_by_label("covid-ct").uncheck()
    expect(page.get_by_text("No labelled scan")).to_be_visible()
