"""The administration shows rows about patients by the rules of the pages: it hides, and it records."""

import pytest
from django.contrib import admin
from django.urls import reverse

from accounts.models import Action, Event
from cases.clinical_admin import ClinicalAdmin
from cases.models import Case, Patient, Review, Scan, ShownAnswer, Slice
from inference.models import Prediction, SliceAnswer
from tests.cast import make_person, make_scan

CLINICAL = (Patient, Case, Scan, Slice, Review, Prediction, SliceAnswer)
TELLING = (Case, Scan, Review, Prediction, SliceAnswer)


def name_of(model):
    return f"admin:{model._meta.app_label}_{model._meta.model_name}"


def list_of(model):
    return reverse(f"{name_of(model)}_changelist")


def page_of(model, view="change"):
    row = model.objects.order_by("pk").first()
    return reverse(f"{name_of(model)}_{view}", args=[row.pk])


def looks():
    return set(
        Event.objects.filter(action__in=(Action.PATIENT_VIEWED, Action.CASE_VIEWED)).values_list("action", "site")
    )


@pytest.fixture
def read(answered, rita, review):
    """Provides Anna's scan, answered and decided by Rita."""
    review(answered, rita, "non_covid", "No opacity.")
    return answered


@pytest.fixture
def ada(north):
    """Administers, and reads at North, which reads blinded."""
    north.blinded_reads = True
    north.save()
    return make_person("ada", (north, "reader"), is_superuser=True, is_staff=True)


def test_every_model_that_leads_to_a_patient_is_shown_by_these_rules():
    shown = {model for model, one in admin.site._registry.items() if isinstance(one, ClinicalAdmin)}
    of_patients = {
        model for model in admin.site._registry if model._meta.app_label in ("cases", "inference", "learning")
    }

    assert shown == set(CLINICAL)
    assert {model.__name__ for model in of_patients - shown} == {"ModelVersion"}


@pytest.mark.parametrize("table", CLINICAL, ids=lambda table: table.__name__)
def test_a_list_leaves_an_event_that_names_what_was_listed(login, sue, read, north, table):
    assert login(sue).get(list_of(table)).status_code == 200

    event = Event.objects.get(action=Action.LIST_VIEWED)
    assert (event.actor, event.site) == (sue, north)
    assert event.details["ids"] == [table.objects.get().pk]
    assert event.details["list"].startswith("administration, ")


@pytest.mark.parametrize("view", ["change", "history"])
@pytest.mark.parametrize("table", CLINICAL, ids=lambda table: table.__name__)
def test_a_page_leaves_an_event(login, sue, read, north, table, view):
    assert login(sue).get(page_of(table, view)).status_code == 200

    seen = Action.PATIENT_VIEWED if table is Patient else Action.CASE_VIEWED
    assert looks() == {(seen, north.pk)}


@pytest.mark.parametrize("table", TELLING, ids=lambda table: table.__name__)
def test_whoever_reads_blinded_finds_no_row_that_tells_of_the_scan(login, ada, read, table):
    client = login(ada)

    assert client.get(list_of(table)).context_data["cl"].result_count == 0
    assert client.get(page_of(table)).status_code == 302  # to the list, which does not have it
    assert not ShownAnswer.objects.exists()


@pytest.mark.parametrize("table", TELLING, ids=lambda table: table.__name__)
@pytest.mark.parametrize("of", [list_of, page_of], ids=["list", "page"])
def test_whoever_looked_in_the_administration_decides_unblinded(login, read, north, sue, review, table, of):
    """A role that is given afterwards makes nobody blinded."""
    assert login(sue).get(of(table)).status_code == 200
    north.blinded_reads = True
    north.save()
    sue.memberships.create(site=north, role="reader")
    sue.__dict__.pop("_roles_by_site", None)

    assert not review(read, sue, "covid").was_blinded


def test_the_record_of_events_hides_and_notes_labels_too(login, ada, sue, read):
    decided = Event.objects.get(action=Action.REVIEW_RECORDED)
    address = reverse("admin:accounts_event_change", args=[decided.pk])

    assert login(ada).get(address).status_code == 302
    assert not ShownAnswer.objects.exists()
    assert b"non_covid" in login(sue).get(address).content
    assert set(ShownAnswer.objects.values_list("user", "scan")) == {(sue.pk, read.pk)}


def test_a_scan_that_is_not_hidden_from_its_reader_is_there(login, ada, read, case, cara, model):
    make_scan(case, cara)
    Case.objects.filter(pk=case.pk).update(status="closed", closed_at=case.created_at)

    assert login(ada).get(list_of(Scan)).context_data["cl"].result_count == 2
