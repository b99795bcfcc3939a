"""A model's page: its card on screen, on paper and as Markdown, and what it has to do with other models."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from inference.models import ModelVersion
from learning.models import Comparison, Dataset, ServicePeriod, TrainingRun

pytestmark = pytest.mark.django_db


def text(response):
    return response.content.decode()


@pytest.fixture
def measured(model):
    model.metrics = {"blocks": {"images": {"false_negatives": 31, "positives": 1001, "n": 1978, "sensitivity": 0.969}}}
    model.card = {"intended_use": "Research on decision support", "trained_on": ["Set A", "Set B"], "empty": None}
    model.save()
    return model


@pytest.fixture
def child(model, north, max):
    """Provides a model trained from the one in service on a data set of North, and compared with it."""
    child = ModelVersion.objects.create(
        name="phantom-net", version="2", architecture="resnet18", sha256="2" * 64, parent=model
    )
    dataset = Dataset.objects.create(content_hash="d" * 64, counts={"scans": 40, "patients": 38})
    dataset.sites.add(north)
    now = timezone.now()
    TrainingRun.objects.create(
        dataset=dataset, parent=model, method="head", fingerprint="f" * 64, status="done",
        requested_by=max, requested_at=now, started_at=now, finished_at=now, model=child,
    )  # fmt: skip
    figures = {"n": 9, "positives": 4, "champion": {}, "challenger": {}, "differences": {}}
    Comparison.objects.create(dataset=dataset, champion=model, challenger=child, figures=figures, passed=True)
    return child


def test_the_card_says_what_the_model_is_and_misses(login, cara, measured):
    page = text(login(cara).get(reverse("model-detail", args=[measured.pk])))
    for words in ("phantom-net 1", "In service", "31", "1001", "Research on decision support", "Set A", "0" * 64):
        assert words in page, words
    assert "not for diagnosis" in page.split("<h2")[0]


def test_the_card_is_a_markdown_file_too(login, cara, measured):
    response = login(cara).get(reverse("model-card", args=[measured.pk]))
    assert response["Content-Type"] == "text/markdown; charset=utf-8"
    assert response["Content-Disposition"] == f'attachment; filename="model-card-{measured.pk}.md"'
    assert text(response).startswith("# ")
    assert "not for diagnosis" in text(response)


def test_models_are_for_whoever_has_logged_in(login, client, otto, measured):
    for name in ("model-detail", "model-card"):
        address = reverse(name, args=[measured.pk])
        client.logout()
        assert client.get(address)["Location"].startswith("/accounts/login/")
        assert login(otto).get(address).status_code == 200
        assert login(otto).get(reverse(name, args=[measured.pk + 99])).status_code == 404


def test_the_list_is_short_and_leads_to_the_card(login, cara, measured):
    page = text(login(cara).get(reverse("models")))
    assert "31 of 1001" in page
    assert reverse("model-detail", args=[measured.pk]) in page
    assert "0" * 64 not in page


def test_figures_of_different_patients_are_in_no_common_column_and_say_so(login, cara, measured, child):
    child.metrics = {"held_out": {"false_negatives": 7, "positives": 95, "n": 190, "false_positives": 1}}
    child.save()
    page = " ".join(text(login(cara).get(reverse("models"))).split())
    assert "On its own test patients (blocks · images) it missed 31 of 1001 infections (3.1 %)" in page
    assert "On its own test patients (held out) it missed 7 of 95 infections (7.4 %)" in page
    assert "Other models were measured on other patients." in page
    assert "Compared on the same patients" not in page


def test_what_was_measured_on_the_same_patients_is_side_by_side_for_managers(login, max, otto, north, model, child):
    side = {"n": 40, "positives": 12, "false_positives": 2, "specificity": 26 / 28}
    figures = {
        "n": 40,
        "patients": 38,
        "champion": side | {"false_negatives": 3, "sensitivity": 0.75, "intervals": {"sensitivity": [0.43, 0.95]}},
        "challenger": side | {"false_negatives": 1, "sensitivity": 11 / 12},
    }
    dataset = Dataset.objects.create(content_hash="e" * 64)
    dataset.sites.add(north)
    Comparison.objects.create(dataset=dataset, champion=model, challenger=child, figures=figures, passed=False)
    page = " ".join(text(login(max).get(reverse("models"))).split())
    assert f"40 scans of 38 patients of {dataset}" in page
    assert "<strong>3 of 12</strong>" in page
    assert "75.0 % (43.0 % to 95.0 %)" in page
    assert "<strong>1 of 12</strong>" in page
    assert "Compared on the same patients" not in text(login(otto).get(reverse("models")))


def test_a_model_names_its_parent_run_and_children_to_those_who_may_see_them(login, max, otto, model, child):
    page = text(login(max).get(reverse("model-detail", args=[child.pk])))
    assert reverse("model-detail", args=[model.pk]) in page
    assert reverse("dataset-lineage", args=[Dataset.objects.get().pk]) in page
    assert "Criteria met" in page
    assert reverse("model-detail", args=[child.pk]) in text(login(max).get(reverse("model-detail", args=[model.pk])))
    elsewhere = text(login(otto).get(reverse("model-detail", args=[child.pk])))
    assert reverse("dataset-lineage", args=[Dataset.objects.get().pk]) not in elsewhere
    assert "Criteria met" not in elsewhere
    assert "1 comparison on data of sites that you do not manage" in elsewhere


def test_every_service_period_is_listed_with_its_reason(login, max, sue, model):
    begun = timezone.now() - timedelta(days=9)
    ServicePeriod.objects.create(
        model=model, entry="rollback", reason="The newer one missed more.", started_by=sue, started_at=begun
    )
    page = text(login(max).get(reverse("model-detail", args=[model.pk])))
    assert "The newer one missed more." in page
    assert "Rollback" in page


def test_a_card_that_says_little_is_shown_as_it_is(login, cara, model):
    assert login(cara).get(reverse("model-detail", args=[model.pk])).status_code == 200
    assert "This model came without figures" in text(login(cara).get(reverse("models")))
