"""Whoever reads blinded gets the same bytes from every address, whatever the model and the colleagues have said."""

from datetime import datetime

import pytest
from django.contrib import admin
from django.utils import timezone

from cases.models import Review, Scan
from cases.reviews import record_review
from ctportal.pages.account.views.event_record import EventFilter
from ctportal.pages.casework.forms.worklist import WorklistForm
from ctportal.pages.casework.views.labelled_set import LabelledSetFilter
from ctportal.pages.learning.forms.dataset import DatasetForm, DatasetScanFilter, ExcludedFilter
from inference.models import Prediction
from learning.datasets.build import build_dataset
from learning.datasets.splits import assign_splits, key_of_patient
from learning.models import ComparedScan, Comparison, Dataset
from tests.architecture.worlds import AGREED, OPEN, Stage, addresses, answers_seen_by, with_filters
from tests.cast import answer, make_case, make_patient, make_scan
from tests.pages.learning_cast import make_base_set, make_comparison, make_dataset, make_model, make_run

PAGE_FORMS = {
    "worklist": WorklistForm,
    "labels": LabelledSetFilter,
    "events": EventFilter,
    "dataset-detail": type("Filters", (DatasetScanFilter, ExcludedFilter), {}),
    "dataset-build": DatasetForm,
}
# Addresses of the frame and of other programs, which know nothing of scans.
ELSEWHERE = (
    "/accounts/",
    "/admin/",
    "/static/",
    "/api/v1/schema",
    "/api/v1/docs",
    "/healthz",
    "/theme/",
    "/help/",
    "/texts/",
)
NOT_THE_ADMINISTRATION = ("/admin/logout/", "/admin/login/", "/admin/r/", "/admin/jsi18n/", "/admin/autocomplete/")
EXPORTS = ("/labels/export/", "/learning/datasets/{}/export/")


@pytest.fixture(autouse=True)
def one_moment(monkeypatch):
    """Time does not pass, so what a world shows of it is the same in all."""
    now = timezone.now()

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return now.astimezone(tz) if tz else now.replace(tzinfo=None)

    monkeypatch.setattr(timezone, "datetime", Clock)


@pytest.fixture
def loop(stage_parts, tmp_path):
    """What the learning loop makes of each world: a data set, a run, and a comparison of all its scans."""
    south, model = stage_parts
    base = make_base_set(groups=40)
    figures = make_comparison(make_dataset(base=base), model, make_model(tmp_path, "0.9")).figures
    challenger = make_model(tmp_path, "2")

    def extend():
        dataset, _ = build_dataset(user=None, sites=[south], base_sets=[base])
        comparison = Comparison.objects.create(
            dataset=dataset, champion=model, challenger=challenger, figures=figures, passed=True, reasons=["Enough."]
        )
        for row in dataset.scans.select_related("scan"):
            said = (row.scan.decision, row.scan.probability) if row.scan is not None else ("covid", 0.7)
            decision, probability = said
            assert decision is not None
            assert probability is not None
            ComparedScan.objects.create(
                comparison=comparison,
                dataset_scan=row,
                champion_decision=decision,
                champion_probability=probability,
                challenger_decision="uncertain",
                challenger_probability=probability / 2,
            )
        make_run(dataset, model=challenger)

    return extend


@pytest.fixture
def stage_parts(south, model):
    return south, model


@pytest.fixture
def stage(south, jonas, model, media, loop):
    """Besides the hidden scans, one on which both readers have decided, so that lists are not empty."""
    stage = Stage(south, jonas, model)
    decided = make_scan(make_case(make_patient(south)), stage.clinician, seed=70_009)
    answer(decided, model, "covid", 0.8)
    for reader in (stage.reader, stage.reading_manager):
        record_review(scan=decided, reader=reader, label="covid")
    # Patients are numbered as they first enter a data set; both have been in one before.
    assign_splits(key_of_patient(scan.case.patient.pseudonym) for scan in (*stage.scans, decided))
    stage.extend = loop
    stage.remember_sequences()
    return stage


def objects_of(stage):
    """In the first world; the same numbers name the same objects in the others."""
    dataset, comparison = Dataset.objects.order_by("pk").last(), Comparison.objects.order_by("pk").last()
    ids = lambda rows: list(rows.order_by("pk").values_list("pk", flat=True))  # noqa: E731
    scans = Scan.objects.filter(pk__in=[scan.pk for scan in stage.scans[:2]]).order_by("pk")
    return {
        "cases": list(scans.values_list("case", flat=True).distinct().order_by("case")),
        "patients": [stage.scans[0].case.patient_id],
        "scans": list(scans.values_list("pk", flat=True)),
        "slices": [scan.slices.get().pk for scan in scans],
        "predictions": ids(Prediction.objects.filter(scan__in=scans)),
        "reviews": ids(Review.objects),
        "sites": [stage.site.slug],
        "sites:slug": [stage.site.slug],
        "datasets": [dataset.pk],
        "comparisons": [comparison.pk],
        "comparison-requests": [1],
        "overrides": [1],
        "runs": [dataset.runs.get().pk],
        "training-runs": [dataset.runs.get().pk],
        "models": [comparison.champion_id, comparison.challenger_id],
        "members": [1],
        "tokens": [1],
        "sessions": [1],
        "monitoring:name": ["models", "days", "readers"],
        "monitoring:table": ["models", "days", "readers"],
        "base-sets": [1],
    }


def calls(stage):
    objects = objects_of(stage)
    gets = [("GET", address) for address in with_filters(addresses(objects, without=ELSEWHERE), PAGE_FORMS)]
    return gets + [("POST", address.format(objects["datasets"][0])) for address in EXPORTS]


def calls_of_the_administration(stage):
    """Each list of it, with each filter and order, and each row of every model that it knows."""
    objects = {
        f"{model._meta.model_name}:object_id": list(model._default_manager.order_by("pk").values_list("pk", flat=True))
        for model in admin.site._registry
    }
    objects |= {"user:id": [stage.reader.pk]}
    found = addresses(objects, without=NOT_THE_ADMINISTRATION, below="/admin/")
    return [("GET", address) for address in with_filters(found, {})]


def differences(stage, user, worlds, calls=calls):
    seen, asked = {}, None
    for name, world in worlds.items():
        with stage.in_world(world):
            asked = asked or calls(stage)
            seen[name] = answers_seen_by(user, asked)
    first, *others = seen.values()
    return [address for address in first if any(other[address] != first[address] for other in others)]


@pytest.mark.parametrize("who", ["reader", "reading_manager"])
@pytest.mark.parametrize("worlds", [AGREED, OPEN], ids=["agreed", "open"])
def test_a_blinded_reader_gets_the_same_bytes_in_every_world(stage, who, worlds):
    assert differences(stage, getattr(stage, who), worlds) == []


@pytest.mark.parametrize("worlds", [AGREED, OPEN], ids=["agreed", "open"])
def test_an_administrator_who_reads_blinded_gets_the_same_bytes_from_the_administration(stage, worlds):
    found = differences(stage, stage.reading_administrator, worlds, calls_of_the_administration)

    # The numbers of later events tell that there are hidden ones, though not of what they are.
    assert [address for address in found if worlds is AGREED or "/accounts/event/" not in address] == []


def test_an_administrator_who_reads_nothing_there_sees_the_difference_in_the_administration(stage):
    stage.reading_administrator.memberships.all().delete()

    told = differences(stage, stage.reading_administrator, AGREED, calls_of_the_administration)

    for address in (
        "/admin/cases/scan/",
        "/admin/cases/scan/?final_label__exact=covid",
        "/admin/cases/review/?label__exact=covid",
        "/admin/inference/prediction/?decision__exact=covid",
    ):
        assert f"GET {address}" in told, address


def test_who_reads_nothing_there_sees_the_difference(stage):
    """Otherwise the worlds would not differ at all, or their addresses would show nothing."""
    told = differences(stage, stage.manager, {name: AGREED[name] for name in ("infected", "cannot tell")})

    scan = stage.scans[0]
    for address in (
        f"/cases/{scan.case_id}/",
        f"/api/v1/scans/{scan.pk}/",
        f"/api/v1/predictions/{Prediction.objects.filter(scan=scan).values_list('pk', flat=True).first()}/",
        "/labels/?label=covid",
        "/api/v1/labels/?standing=cannot_tell",
        "/api/v1/reviews/",
        "/?decision=covid",
        "/events/",
    ):
        assert f"GET {address}" in told, address
    assert len(told) > 60
