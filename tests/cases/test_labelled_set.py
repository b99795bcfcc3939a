"""What is in the labelled set, why, and what the export holds."""

import csv
import io
import zipfile

import numpy as np
import pytest
from django.core.exceptions import PermissionDenied

from accounts.models import Action, Event
from accounts.refusals import WrongState
from cases.casework import withdraw_scan
from cases.labelled_export import export_labelled_set
from cases.labelled_set import count_labels, labels_shown_to
from cases.labels import agreement
from cases.models import Review, Scan
from ml.evaluation.evaluate import run_model, summarise
from ml.images.data import read_collection
from ml.model.decision import Rules
from ml.model.engine import ScanAnswer, SliceAnswer
from tests.cast import make_case, make_patient, make_scan


@pytest.fixture
def new_scan(north, cara, media):
    def make(patient=None, slices=1):
        return make_scan(make_case(patient or make_patient(north)), cara, slices=slices)

    return make


class FixedAnswers:
    """Replaces a model: one given probability for each scan, and how many slices each scan came with."""

    name = "fixed"

    def __init__(self, probabilities):
        self.probabilities, self.seen = probabilities, []

    def predict(self, scans):
        return [self._answer(scan, next(self.probabilities)) for scan in scans]

    def _answer(self, scan, probability):
        self.seen.append(len(scan))
        part = SliceAnswer(probability, 1 / len(scan), 1.0, np.zeros((1, 1), np.uint8))
        return ScanAnswer("covid" if probability >= 0.5 else "non_covid", probability, 1.0, (part,) * len(scan))


def standing(scan, user, **options):
    return labels_shown_to(user, **options).get(pk=scan.pk).standing


def opened(archive):
    return zipfile.ZipFile(io.BytesIO(b"".join(archive)))


def manifest(archive):
    return list(csv.DictReader(io.StringIO(archive.read("manifest.csv").decode())))


def test_each_scan_is_in_the_set_or_says_why_not(new_scan, max, rita, rob, cara, review):
    scans = {name: new_scan() for name in ("included", "unreviewed", "disagreement", "cannot_tell", "withdrawn")}
    review(scans["included"], rita)
    review(scans["disagreement"], rita)
    review(scans["disagreement"], rob, "non_covid")
    review(scans["cannot_tell"], rita, "cannot_tell")
    review(scans["withdrawn"], rita)
    withdraw_scan(scan=scans["withdrawn"], user=cara, reason="Wrong patient")
    assert {name: standing(scan, max) for name, scan in scans.items()} == {name: name for name in scans}


def test_synthetic_scans_are_in_only_when_asked_for(new_scan, max, rita, review):
    scan = new_scan()
    review(scan, rita)
    Scan.objects.update(is_synthetic=True)
    assert standing(scan, max) == "synthetic"
    assert standing(scan, max, with_synthetic=True) == "included"


def test_a_patient_who_recovered_is_in_the_set_with_every_scan(new_scan, anna, max, rita, review):
    ill, recovered = new_scan(anna), new_scan(anna)
    review(ill, rita, "covid")
    review(recovered, rita, "non_covid")
    assert standing(ill, max) == standing(recovered, max) == "included"


def test_the_agreement_in_sql_is_that_of_the_rule(new_scan, max, rita, rob, review):
    scans = [new_scan() for _ in range(4)]
    review(scans[1], rita)
    for reader in (rita, rob):
        review(scans[2], reader)
        review(scans[3], reader, "covid" if reader == rita else "cannot_tell")
    for row in labels_shown_to(max):
        labels = list(Review.objects.filter(scan=row).current().values_list("label", flat=True))
        assert row.agreement == agreement(labels)


def test_counts_by_site_and_agreement(new_scan, max, rita, review):
    review(new_scan(), rita, "covid")
    review(new_scan(), rita, "non_covid")
    new_scan()
    line = count_labels(labels_shown_to(max)).by_site[0]
    assert (line.site, line.covid, line.non_covid, line.excluded) == ("Radiology North", 1, 1, 1)
    assert dict(count_labels(labels_shown_to(max)).by_agreement) == {"unreviewed": 1, "single reader": 2}


def test_only_managed_sites_count(new_scan, rita, otto, review):
    review(new_scan(), rita)
    assert not labels_shown_to(rita).exists()
    assert not labels_shown_to(otto).exists()


def test_the_export_is_what_training_reads(new_scan, max, rita, review, tmp_path):
    positive, negative = new_scan(slices=3), new_scan()
    review(positive, rita, "covid")
    review(negative, rita, "non_covid")
    archive = export_labelled_set(scans=labels_shown_to(max), user=max)
    size, data = len(archive), b"".join(archive)
    assert size == len(data)
    zipfile.ZipFile(io.BytesIO(data)).extractall(tmp_path)
    collection = read_collection(tmp_path, check=True)
    assert sorted(collection.labels) == [0, 1, 1, 1]
    pseudonyms = {str(scan.case.patient.pseudonym) for scan in (positive, negative)}
    assert set(collection.groups) == pseudonyms
    assert set(collection.blocks) == {"north"}


def test_training_judges_the_scans_of_a_recovered_patient_apart(new_scan, anna, max, rita, review, tmp_path):
    ill, recovered = new_scan(anna, slices=3), new_scan(anna, slices=2)
    review(ill, rita, "covid")
    review(recovered, rita, "non_covid")
    opened(export_labelled_set(scans=labels_shown_to(max), user=max)).extractall(tmp_path)
    collection = read_collection(tmp_path)
    assert set(collection.groups) == {str(anna.pseudonym)}

    engine = FixedAnswers(iter([0.9, 0.2]))
    figures = summarise(collection, run_model(engine, collection, quiet=True), Rules(), repeats=2)
    assert engine.seen == [3, 2]
    assert (figures["n"], figures["positives"]) == (5, 3)
    per_scan = figures["groups"]
    assert (per_scan["n"], per_scan["true_positives"], per_scan["true_negatives"]) == (2, 1, 1)


def test_the_export_holds_the_views_and_no_identity(new_scan, anna, max, rita, review):
    scan = new_scan(anna, slices=2)
    review(scan, rita)
    archive = opened(export_labelled_set(scans=labels_shown_to(max), user=max))
    rows = manifest(archive)
    assert list(rows[0]) == ["file", "label", "group", "scan", "block", "width", "height", "sha256", "source_name"]
    assert archive.read(rows[1]["file"]) == scan.slices.get(position=1).view.read()
    text = "".join(archive.namelist()) + archive.read("manifest.csv").decode()
    for identity in (anna.name, anna.record_number, "Anna", scan.case.accession_number or "ACC"):
        assert identity not in text


def test_who_took_the_set_is_an_event_of_each_site(new_scan, max, rita, review):
    review(new_scan(), rita)
    export_labelled_set(scans=labels_shown_to(max), user=max)
    event = Event.objects.get(action=Action.LABELS_EXPORTED)
    assert (event.actor, event.site.slug, event.details) == (max, "north", {"scans": 1})


def test_an_empty_set_is_refused(new_scan, max):
    new_scan()
    with pytest.raises(WrongState, match="empty"):
        export_labelled_set(scans=labels_shown_to(max), user=max)


def test_a_lost_file_stops_the_export_before_it_begins(new_scan, max, rita, review):
    scan = new_scan()
    review(scan, rita)
    slice_ = scan.slices.get()
    slice_.view.storage.delete(slice_.view.name)
    with pytest.raises(WrongState, match="missing from the store"):
        export_labelled_set(scans=labels_shown_to(max), user=max)
    assert not Event.objects.filter(action=Action.LABELS_EXPORTED).exists()


def test_nobody_exports_what_they_do_not_manage(new_scan, max, rita, review):
    review(new_scan(), rita)
    with pytest.raises(PermissionDenied):
        export_labelled_set(scans=labels_shown_to(max), user=rita)
