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
    """Trained from the model in service on a data set of North, and compared with it."""
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


def test_every_time_in_service_stands_there_with_its_reason(login, max, sue, model):
    begun = timezone.now() - timedelta(days=9)
    ServicePeriod.objects.create(
        model=model, entry="rollback", reason="The newer one missed more.", started_by=sue, started_at=begun
    )
    page = text(login(max).get(reverse("model-detail", args=[model.pk])))
    assert "The newer one missed more." in page
    assert "Rollback" in page


def test_a_card_that_says_little_is_shown_as_it_is(login, cara, model):
    assert login(cara).get(reverse("model-detail", args=[model.pk])).status_code == 200
    assert "No figures came with this model" in text(login(cara).get(reverse("models")))
