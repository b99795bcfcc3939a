"""Tests what a data set freezes, what stays out and why, and that nobody is in two splits."""

import io
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from PIL import Image

from accounts.models import Action, Event
from accounts.refusals import WrongState
from cases.casework import withdraw_scan
from cases.models import Scan
from learning.datasets.base_import import import_labels
from learning.datasets.build import build_dataset, changes_since_previous
from learning.datasets.listing import ScanFilters, counts_shown_to, excluded_of_dataset, scans_of_dataset
from learning.datasets.splits import key_of_patient
from learning.models import BaseSet, Dataset, DatasetScan, PatientSplit
from tests.cast import answer, make_case, make_patient, make_person, make_scan, phantom_png
from tests.learning.folders import imported, labelled_folder, picture, write_manifest

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


@pytest.fixture
def new_scan(north, cara):
    def make(patient=None, **facts):
        return make_scan(make_case(patient or make_patient(north)), cara, **facts)

    return make


@pytest.fixture
def build(north):
    def build(*, user=None, sites=(north,), base_sets=(), **options):
        return build_dataset(user=user, sites=list(sites), base_sets=list(base_sets), **options)

    return build


def frozen(dataset) -> dict:
    return {row.scan_id or row.name: row.label for row in dataset.scans.all()}


def excluded(dataset) -> dict:
    return dict(dataset.excluded_scans.values_list("scan", "reason"))


# --- What is in it ------------------------------------------------------------------------------


def test_each_scan_is_frozen_or_left_out_with_its_reason(new_scan, build, model, rita, rob, cara, review):
    names = ("single", "consensus", "unreviewed", "disagreement", "cannot_tell", "withdrawn", "synthetic", "unsuitable")
    scans = {name: new_scan(slices=2) for name in names}
    answer(scans["unsuitable"], model, decision="unsuitable", probability=0.5)
    for name in names:
        if name != "unreviewed":
            review(scans[name], rita, "cannot_tell" if name == "cannot_tell" else "covid")
    review(scans["consensus"], rob)
    review(scans["disagreement"], rob, "non_covid")
    withdraw_scan(scan=scans["withdrawn"], user=cara, reason="Wrong patient")
    Scan.objects.filter(pk=scans["synthetic"].pk).update(is_synthetic=True)
    dataset, is_new = build()
    assert is_new
    assert frozen(dataset) == {scans["single"].pk: "covid", scans["consensus"].pk: "covid"}
    left_out = names[2:]
    assert excluded(dataset) == {scans[name].pk: name for name in left_out}
    assert dataset.counts["excluded"] == dict.fromkeys(sorted(left_out), 1)
    assert dataset.counts["by_agreement"] == {"consensus": 1, "single": 1}
    strict, _ = build(consensus_only=True)
    assert frozen(strict) == {scans["consensus"].pk: "covid"}
    assert excluded(strict)[scans["single"].pk] == "single"
    lenient, _ = build(with_synthetic=True)
    assert scans["synthetic"].pk in frozen(lenient)


def test_only_current_reviews_count_and_superseded_ones_are_counted(new_scan, build, rita, rob, review):
    scan = new_scan()
    review(scan, rita, "covid")
    second = review(scan, rita, "non_covid", "I had looked at the wrong scan.")
    third = review(scan, rob, "non_covid")
    dataset, _ = build()
    row = dataset.scans.get()
    assert (row.label, row.agreement, row.review_ids) == ("non_covid", "consensus", [second.pk, third.pk])
    assert dataset.counts["superseded_reviews"] == 1


def test_the_images_are_frozen_in_their_order(new_scan, build, rita, review):
    scan = new_scan(slices=3)
    review(scan, rita)
    row = build()[0].scans.get()
    assert row.image_ids == list(scan.slices.order_by("position").values_list("pk", flat=True))
    assert (row.content_key, row.name, row.source) == (scan.content_key, f"scan-{scan.pk:06d}", "north")


def test_a_frozen_set_does_not_follow_later_decisions(new_scan, build, rita, review):
    scan = new_scan()
    review(scan, rita, "covid")
    dataset, _ = build()
    review(scan, rita, "non_covid", "Changed my mind.")
    assert frozen(dataset) == {scan.pk: "covid"}
    for change in (lambda: dataset.scans.update(label="non_covid"), lambda: dataset.scans.all().delete()):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()


def test_counts_are_by_side_and_source(new_scan, build, rita, review, tmp_path, anna):
    for label in ("covid", "non_covid"):
        review(new_scan(anna, slices=2), rita, label)
    base = imported(labelled_folder(tmp_path / "public", patients=4))
    counts = build(base_sets=[base])[0].counts
    assert (counts["scans"], counts["images"], counts["patients"]) == (6, 12, 5)
    assert sum(row["patients"] for row in counts["by_split"]) == 5
    assert sum(row["images"] for row in counts["by_split"]) == 12
    assert [row["split"] for row in counts["by_split"]] == ["train", "validation", "test"]
    sources = [(row["source"], row["title"], row["covid"], row["non_covid"]) for row in counts["by_source"]]
    assert sources == [("north", "Radiology North", 1, 1), ("public", "public", 2, 2)]


# --- The same and not the same ------------------------------------------------------------------


def test_the_same_content_is_the_same_data_set(new_scan, build, north, rita, rob, review):
    scan = new_scan()
    review(scan, rita)
    first, _ = build()
    new_scan()
    assert build(sites=[north, north]) == (first, False)
    review(new_scan(), rita)
    second, is_new = build()
    assert is_new
    assert second.previous == first
    review(scan, rob)
    assert build() == (second, False)  # one more reader agrees: the same labels


def test_a_site_without_labels_still_makes_another_data_set(new_scan, build, north, south, rita, review, max):
    """Or who manages one site would be handed a set that is not theirs to see."""
    review(new_scan(), rita)
    both, _ = build(sites=[north, south])
    alone, is_new = build(user=max)
    assert is_new
    assert list(Dataset.objects.visible_to(max)) == [alone]
    assert both.content_hash != alone.content_hash


def test_changes_since_the_one_before_are_named(new_scan, build, rita, review, cara):
    stays, changes, goes = (new_scan() for _ in range(3))
    for scan in (stays, changes, goes):
        review(scan, rita)
    first, _ = build()
    assert changes_since_previous(first).words == "This is the first data set of its kind."
    review(changes, rita, "non_covid", "On second thoughts.")
    withdraw_scan(scan=goes, user=cara, reason="Sent twice")
    comes = new_scan()
    review(comes, rita, "non_covid")
    found = changes_since_previous(build()[0])
    assert (found.added, found.removed, found.relabelled, found.altered) == (1, 1, 1, 0)
    assert found.words == f"Since {first}: 1 added, 1 removed, 1 with another label."
    assert [row.scan_id for row in found.added_scans] == [comes.pk]
    assert [row.words for row in found.removed_scans] == ["No longer in it (was COVID-19)"]
    assert [row.words for row in found.relabelled_scans] == ["Was COVID-19, is Not COVID-19"]


def test_a_base_scan_that_got_more_images_has_changed(build, tmp_path):
    folder = labelled_folder(tmp_path / "public", patients=2)
    base = imported(folder)
    build(sites=[], base_sets=[base])
    more = picture(folder, "more.png", phantom_png(77), group="g1")
    import_labels(write_manifest(folder, [more]))
    found = changes_since_previous(build(sites=[], base_sets=[base])[0])
    assert (found.added, found.removed, found.altered) == (0, 0, 1)


@pytest.mark.django_db(transaction=True)
def test_two_that_build_at_once_make_one(new_scan, build, rita, review):
    for _ in range(3):
        review(new_scan(), rita)

    def build_alone(_):
        try:
            return build()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        built = list(pool.map(build_alone, range(4)))
    assert {dataset.pk for dataset, _ in built} == {Dataset.objects.get().pk}
    assert sorted(is_new for _, is_new in built) == [False, False, False, True]
    assert DatasetScan.objects.count() == 3


def test_nothing_labelled_is_said_in_words(new_scan, build):
    new_scan()
    with pytest.raises(WrongState, match="no labelled scan"):
        build()
    assert not Dataset.objects.exists()


# --- Patients and their sides -------------------------------------------------------------------


def test_a_patient_keeps_the_side_in_every_later_data_set(new_scan, build, anna, rita, review):
    review(new_scan(anna), rita)
    PatientSplit.objects.create(patient_key=key_of_patient(anna.pseudonym), split="test")
    assert build()[0].scans.get().patient.split == "test"
    review(new_scan(anna), rita, "non_covid")
    assert [row.patient.split for row in build()[0].scans.all()] == ["test", "test"]


def test_a_base_group_whose_image_is_also_a_labelled_scan_stays_out_as_a_whole(new_scan, build, rita, review, tmp_path):
    scan = new_scan(seed=900)
    review(scan, rita)
    folder = tmp_path / "public"
    rows = [
        picture(folder, "same.png", phantom_png(900_000), group="known"),
        picture(folder, "other.png", phantom_png(1), group="known"),
        picture(folder, "else.png", phantom_png(2), group="unknown"),
    ]
    base = imported(write_manifest(folder, rows))
    dataset, _ = build(base_sets=[base])
    assert frozen(dataset) == {scan.pk: "covid", "unknown": "covid"}
    assert dataset.counts["base_duplicates"] == 1


def test_of_two_base_sets_with_the_same_image_one_gives_way(build, tmp_path):
    bases = []
    for name in ("first", "second"):
        folder = tmp_path / name
        rows = [
            picture(folder, "same.png", phantom_png(5), group="x"),
            picture(folder, "own.png", phantom_png(6 + len(name)), group=f"{name}-own"),
        ]
        bases.append(imported(write_manifest(folder, rows)))
    dataset, _ = build(sites=[], base_sets=reversed(bases))
    assert [(row.source, row.name) for row in dataset.scans.all()] == [
        ("first", "first-own"),
        ("first", "x"),
        ("second", "second-own"),
    ]
    assert dataset.counts["base_duplicates"] == 1


def test_one_image_under_two_patients_is_frozen_once(new_scan, build, rita, review, anna):
    twice = {"seed": 910, "confirmation": "One person, registered twice."}
    first, second, same_patient = new_scan(anna, seed=910), new_scan(**twice), new_scan(anna, **twice)
    for scan in (first, second, same_patient):
        review(scan, rita)
    dataset, _ = build()
    assert set(frozen(dataset)) == {first.pk, same_patient.pk}
    assert excluded(dataset) == {second.pk: "duplicate"}


def test_an_empty_slice_makes_nobody_the_same_patient(build, tmp_path):
    black = io.BytesIO()
    Image.new("L", (30, 20)).save(black, "PNG")
    bases = []
    for name in ("first", "second"):
        folder = tmp_path / name
        rows = [
            picture(folder, "black.png", black.getvalue(), group="x"),
            picture(folder, "own.png", phantom_png(6 + len(name)), group="x"),
        ]
        bases.append(imported(write_manifest(folder, rows)))
    assert build(sites=[], base_sets=bases)[0].counts["scans"] == 2


# --- Who may ------------------------------------------------------------------------------------


def test_a_manager_builds_for_their_own_sites_only(
    new_scan, build, rita, review, max, otto, sue, north, south, tmp_path
):
    review(new_scan(), rita)
    base = imported(labelled_folder(tmp_path / "public", patients=2))
    for person, sites in ((rita, [north]), (otto, [north]), (max, [north, south]), (rita, [])):
        with pytest.raises(PermissionDenied):
            build(user=person, sites=sites, base_sets=[base])
    dataset, _ = build(user=max)
    assert dataset.created_by == max
    assert build(user=sue, sites=[north, south])[1]
    assert build(user=otto, sites=[], base_sets=[base])[1]
    max.is_active = False
    with pytest.raises(PermissionDenied):
        build(user=max)


def test_each_site_gets_an_event_without_identity(new_scan, build, rita, review, north, south, sue):
    review(new_scan(), rita)
    dataset, _ = build(user=sue, sites=[north, south])
    build(user=sue, sites=[north, south])
    events = Event.objects.filter(action=Action.DATASET_BUILT)
    assert {event.site for event in events} == {north, south}
    assert {(event.subject_id, str(event.details)) for event in events} == {(dataset.pk, "{'scans': 1}")}


def test_the_lists_lead_only_to_cases_that_the_user_may_see(new_scan, build, rita, review, max, otto):
    scan, other = new_scan(), new_scan()
    review(scan, rita)
    dataset, _ = build()
    assert scans_of_dataset(dataset, max).get().visible_case_id == scan.case_id
    assert scans_of_dataset(dataset, otto).get().visible_case_id is None
    assert excluded_of_dataset(dataset, max).get().visible_case_id == other.case_id
    assert excluded_of_dataset(dataset, otto, "unreviewed").get().visible_case_id is None
    assert not excluded_of_dataset(dataset, max, "withdrawn").exists()


def test_the_list_is_chosen_by_side_label_source_agreement_and_name(new_scan, build, rita, review, max):
    ill, well = new_scan(), new_scan()
    review(ill, rita)
    review(well, rita, "non_covid")
    dataset, _ = build()
    rows = lambda **chosen: [row.scan_id for row in scans_of_dataset(dataset, max, ScanFilters(**chosen))]  # noqa: E731
    assert rows(label="covid") == [ill.pk]
    assert rows(source="north", agreement="single") == [ill.pk, well.pk]
    assert rows(name=f"-{well.pk:06d}") == [well.pk]
    side = dataset.scans.get(scan=ill).patient.split
    assert ill.pk in rows(split=side)
    assert rows(source="south") == []


def test_a_blinded_reader_learns_nothing_from_the_lists(south, jonas, review):
    clinician, reader = make_person("cleo", (south, "clinician")), make_person("rolf", (south, "reader"))
    both = make_person("bea", (south, "reader"), (south, "manager"))
    scan = make_scan(make_case(jonas), clinician)
    review(scan, reader)
    first, _ = build_dataset(user=both, sites=[south], base_sets=[])
    assert not scans_of_dataset(first, both).exists()
    assert counts_shown_to(both, [first])[first.pk]["scans"] == 0
    assert counts_shown_to(both, [first])[first.pk]["hidden"] == 1
    review(scan, reader, "non_covid", "Changed.")
    second, _ = build_dataset(user=both, sites=[south], base_sets=[])
    assert changes_since_previous(second, both).relabelled == 0
    review(scan, both, "non_covid")
    assert scans_of_dataset(second, both).get().scan == scan
    assert counts_shown_to(both, [second])[second.pk] == second.counts
    assert changes_since_previous(second, both).relabelled == 1


# --- Size and commands --------------------------------------------------------------------------


def test_more_scans_take_no_more_queries(new_scan, build, rita, review, django_assert_max_num_queries, tmp_path):
    for _ in range(12):
        review(new_scan(slices=2), rita)
    base = imported(labelled_folder(tmp_path / "public", patients=30, images=1))
    with django_assert_max_num_queries(24):
        build(base_sets=[base])


def test_the_command_builds_and_says_when_nothing_has_changed(new_scan, rita, review, tmp_path, capsys):
    review(new_scan(), rita)
    new_scan()
    import_labels(labelled_folder(tmp_path / "public", patients=2))
    call_command("build_dataset")
    said = capsys.readouterr().out
    dataset = Dataset.objects.get()
    assert f"{dataset} built." in said
    assert "Left out: 1 (no reader has decided yet)" in said
    call_command("build_dataset")
    assert f"Nothing has changed: {dataset} holds just this already." in capsys.readouterr().out
    call_command("build_dataset", "--site", "north", "--no-base")
    assert Dataset.objects.first().counts["scans"] == 1
    with pytest.raises(CommandError, match="no site east; there are: north"):
        call_command("build_dataset", "--site", "east")
    with pytest.raises(CommandError, match="no base set private; there are: public"):
        call_command("build_dataset", "--base", "private")


def test_the_command_needs_something_labelled(db, capsys):
    assert not BaseSet.objects.exists()
    with pytest.raises(CommandError, match="no labelled scan"):
        call_command("build_dataset")
