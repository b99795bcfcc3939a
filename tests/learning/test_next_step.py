"""What comes next in the loop: enough is asked for before training is proposed, and what leads on is named."""

import pytest

from learning.comparison.comparable import comparable_patients
from learning.datasets.build import build_dataset
from learning.datasets.preview import preview_dataset
from learning.loop import loop_of
from learning.models import ComparisonRequest, PatientSplit
from learning.next_step import SYNTHETIC_LEFT_OUT, StepKind, next_step
from learning.training.sample_sizes import Purpose
from tests.cast import make_case, make_patient, make_scan
from tests.learning.training_cast import freeze, registered
from tests.pages.learning_cast import make_base_set, make_dataset, make_run

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


@pytest.fixture(autouse=True)
def _stores(settings, tmp_path):
    settings.TRAINING_STORE, settings.MODEL_STORE = tmp_path / "training", tmp_path / "models"


@pytest.fixture
def labelled(north, cara, rita, review):
    """Makes the scan of a new patient in this split, decided by Rita: labelled("train", "covid")."""

    def labelled(split, label):
        patient = make_patient(north)
        PatientSplit.objects.create(patient_key=f"patient:{patient.pseudonym}", split=split)
        scan = make_scan(make_case(patient), cara)
        review(scan, rita, label)
        return scan

    return labelled


def words_of(requirements):
    return [found.words for found in requirements]


def test_without_labels_the_step_says_how_many_of_how_many_are_there(max, case, cara):
    make_scan(case, cara)
    step = next_step(loop_of(max))
    assert (step.kind, step.scans) == (StepKind.GATHER_LABELS, 1)
    assert words_of(step.requirements) == [
        "0 of 10 training patients with COVID-19",
        "0 of 10 training patients without COVID-19",
        "0 of 3 validation patients with COVID-19",
        "0 of 3 validation patients without COVID-19",
        "0 of 4 test patients with COVID-19",
        "0 of 4 test patients without COVID-19",
        "0 of 205 test patients with COVID-19",
    ]
    assert step.requirements[-1].purpose == Purpose.PROMOTION


def test_where_only_synthetic_scans_are_there_the_step_says_that_they_are_not_counted(max, case, cara):
    scan = make_scan(case, cara)
    scan.is_synthetic = True
    scan.save()
    step = next_step(loop_of(max))
    assert (step.kind, step.scans, step.details) == (StepKind.GATHER_LABELS, 0, (SYNTHETIC_LEFT_OUT,))


def test_a_data_set_that_is_too_small_is_not_proposed_for_training(max, north, labelled):
    for split in ("train", "validation", "test"):
        labelled(split, "covid")
    build_dataset(user=max, sites=[north], base_sets=[])
    step = next_step(loop_of(max))
    assert step.kind == StepKind.GATHER_LABELS
    assert words_of(step.requirements)[0] == "1 of 10 training patients with COVID-19"


def test_once_the_labels_suffice_a_newer_data_set_is_proposed(max, north, labelled, settings):
    settings.TRAINING_LEAST_PATIENTS = 1
    for split in ("train", "validation", "test"):
        labelled(split, "covid")
    small, _ = build_dataset(user=max, sites=[north], base_sets=[])
    for split in ("train", "validation", "test"):
        labelled(split, "non_covid")
    assert next_step(loop_of(max)).kind == StepKind.BUILD_DATASET
    newer, _ = build_dataset(user=max, sites=[north], base_sets=[])
    step = next_step(loop_of(max))
    assert (step.kind, step.dataset) == (StepKind.TRAIN, newer)
    assert newer != small


def test_the_requirements_of_a_preview_are_of_what_is_chosen(max, north, labelled):
    labelled("train", "covid")
    base = make_base_set()
    alone = preview_dataset(user=max, sites=[north], base_sets=[])
    both = preview_dataset(user=max, sites=[north], base_sets=[base])
    assert alone.requirements[0].present == 1
    assert both.requirements[0].present == 37
    assert loop_of(max).requirements == both.requirements


def test_the_scans_of_another_site_are_not_counted(otto, labelled):
    labelled("train", "covid")
    assert loop_of(otto).requirements[0].present == 0


def test_a_comparison_that_must_fail_is_foretold_and_not_queued(max, north, model, tmp_path):
    dataset = freeze(patients={"train": 10, "validation": 3, "test": 4}, sites=[north])
    tested = dataset.scans.filter(patient__split="test", label="covid")
    views = [
        image.key.removeprefix("sha256:")[:16]
        for row in tested
        for image in row.base_set.images.filter(pk__in=row.image_ids)
    ]
    champion = registered(tmp_path, version="1", active=True, training_views=views[:3])
    candidate = registered(tmp_path, version="2")
    run = make_run(dataset, "done", model=candidate, parent=champion)
    found = comparable_patients(dataset, champion, candidate)
    assert (found.infected, found.others, found.left_out) == (1, 4, 3)
    step = next_step(loop_of(max))
    assert (step.kind, step.run) == (StepKind.NOT_COMPARABLE, run)
    assert "has 1 infected and 4 other patients to compare on" in str(step.details[0])
    assert "3 were left out, since a model has seen them." in str(step.details[0])
    assert not ComparisonRequest.objects.exists()


def test_a_trained_data_set_without_new_labels_leaves_nothing_to_do(max, north, model):
    make_run(make_dataset(north, user=max), "done", model=model)
    assert next_step(loop_of(max)).kind == StepKind.NOTHING
