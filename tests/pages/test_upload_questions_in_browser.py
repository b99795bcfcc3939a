"""The upload asks before it takes another patient's files, and whether loose images are one scan."""

import io

import pydicom
import pytest
from playwright.sync_api import expect

from cases.models import Scan
from ml.images.phantom import phantom_dicom
from tests.cast import phantom_png
from tests.pages.test_in_browser import serious

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def foreign(tmp_path):
    """A series that names another patient than Anna."""
    paths = []
    for number, data in enumerate(phantom_dicom(seed=9, slices=2, size=64)):
        file = pydicom.dcmread(io.BytesIO(data))
        file.PatientIdentityRemoved = "NO"
        file.PatientName, file.PatientID, file.PatientBirthDate, file.PatientSex = "OTHER^BERTA", "X-9", "", ""
        paths.append(tmp_path / f"IM{number}")
        file.save_as(paths[-1])
    return paths


@pytest.fixture
def numbered(tmp_path):
    paths = [tmp_path / f"slice-{number:02}.png" for number in range(1, 5)]
    for number, path in enumerate(paths):
        path.write_bytes(phantom_png(300 + number))
    return paths


def test_another_patients_files_are_shown_and_confirmed(enter, page, faults, cara, case, media, foreign):
    enter(cara, f"/cases/{case.pk}/")
    page.set_input_files("#upload-files", foreign)
    page.get_by_role("button", name="Upload 2 files").click()
    question = page.get_by_role("group", name="Whose scan is this?")
    expect(question).to_contain_text("OTHER^BERTA")
    expect(question).to_contain_text("Anna Sample")
    assert serious(page) == []
    assert not Scan.objects.exists()

    send = question.get_by_role("button", name="Upload to this patient all the same")
    send.click()
    expect(question.get_by_role("alert")).to_have_text("Tick the box and write why.")
    question.get_by_label("I have checked it").check()
    question.get_by_label("Why do the files differ?").fill("Married.")
    send.click()

    page.get_by_text("2 files stored.").wait_for()
    assert "Cara confirmed the patient: Married." in Scan.objects.get().notes[-1]
    assert faults == []


def test_numbered_images_of_one_size_are_suggested_as_one_scan(enter, page, faults, cara, case, media, numbered):
    enter(cara, f"/cases/{case.pk}/")
    page.set_input_files("#upload-files", numbered)
    question = page.get_by_role("group", name="One scan or several?")
    expect(question).to_contain_text("4 images look like one scan")
    page.get_by_role("button", name="Upload 4 files").click()
    expect(page.get_by_role("status").filter(has_text="Say first")).to_be_visible()
    assert not Scan.objects.exists()
    assert serious(page) == []

    question.get_by_role("button", name="One scan").click()
    page.get_by_role("button", name="Upload 4 files").click()

    page.get_by_text("4 files stored.").wait_for()
    assert [scan.slice_count for scan in case.scans.all()] == [4]
    assert faults == []


def test_they_can_stay_a_scan_each(enter, page, cara, case, media, numbered):
    enter(cara, f"/cases/{case.pk}/")
    page.set_input_files("#upload-files", numbered)
    page.get_by_role("button", name="A scan each").click()
    page.get_by_role("button", name="Upload 4 files").click()

    page.get_by_text("4 files stored.").wait_for()
    assert case.scans.count() == 4


def test_images_of_other_sizes_or_names_are_not_suggested(enter, page, cara, case, media, numbered, tmp_path):
    (tmp_path / "slice-05.png").write_bytes(phantom_png(310, size=64))
    enter(cara, f"/cases/{case.pk}/")
    page.set_input_files("#upload-files", [*numbered, tmp_path / "slice-05.png"])
    page.get_by_role("button", name="Upload 5 files").click()

    page.get_by_text("5 files stored.").wait_for()
    assert case.scans.count() == 5
