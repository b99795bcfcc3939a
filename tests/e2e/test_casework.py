"""Clinicians: what is sent, what is refused and why."""

import re
import zipfile

from playwright.sync_api import expect

from ml.images.phantom import phantom_dicom
from tests.e2e.scans import phantom_picture
from tests.e2e.steps import STORED, open_case, register_patient, send_files


def test_a_record_number_that_is_taken_leads_to_its_patient(visit):
    page = visit("cara")
    register_patient(page, "N-100", "Fisher, Ida")
    register_patient(page, "N-100", "Fischer, Ida")

    notice = page.get_by_role("alert").filter(has_text="has the record number N-100")
    expect(notice).to_contain_text("Fisher, Ida")
    expect(page.get_by_label("Name", exact=True)).to_have_value("Fischer, Ida")
    notice.get_by_role("link", name="Open a case for this patient").click()
    expect(page.get_by_text("Step 2 of 2")).to_be_visible()
    expect(page.get_by_label("Patient", exact=True)).to_contain_text("Fisher, Ida")


def test_a_bad_file_is_refused_by_name_and_loses_no_other(visit, tmp_path):
    good, text, torn = tmp_path / "good.png", tmp_path / "report.png", tmp_path / "torn.png"
    good.write_bytes(phantom_picture(21))
    text.write_text("This is a letter, not a picture.")
    torn.write_bytes(phantom_picture(22)[:2000])
    page = visit("cara", refusals=(422,))
    open_case(page, "N-101", "Weaver, Tom")

    send_files(page, [good, text, torn])

    expect(page.get_by_text("1 file stored, 2 files not stored")).to_be_visible(timeout=STORED)
    for name, words in (("report.png", "text file"), ("torn.png", "ends too early")):
        row = page.locator("#upload li").filter(has_text=name)
        expect(row).to_contain_text("Refused")
        expect(row).to_contain_text(re.compile(words, re.IGNORECASE))
    expect(page.locator("#scans article")).to_have_count(1)


def test_a_zip_of_a_series_becomes_one_scan_in_order(visit, tmp_path):
    series = tmp_path / "series.zip"
    with zipfile.ZipFile(series, "w") as archive:
        for number, data in enumerate(reversed(phantom_dicom(31, 5, 128, 0.0))):
            archive.writestr(f"export/{number}", data)
    page = visit("cara")
    open_case(page, "N-102", "Carter, Jo")

    send_files(page, [series])

    expect(page.locator("#scans article")).to_have_count(1, timeout=STORED)
    expect(page.locator("#scans article")).to_contain_text("DICOM series, 5 slices")


def test_files_chosen_before_the_page_is_ready_are_taken_in(visit, tmp_path):
    picture = tmp_path / "early.png"
    picture.write_bytes(phantom_picture(29))
    page = visit("cara")
    held = []
    page.route(re.compile(r"/js/upload(\.[0-9a-f]+)?\.js"), lambda route: held.append(route))
    open_case(page, "N-107", "Early, Ann")

    page.get_by_label("Choose files").set_input_files(picture)
    expect(page.get_by_role("button", name="Upload", exact=True)).to_be_visible()
    for route in held:
        route.continue_()
    page.get_by_role("button", name="Upload 1 file").click()

    assert held
    expect(page.locator("#scans article")).to_have_count(1, timeout=STORED)


def test_the_same_picture_sent_again_is_distinguished(visit, tmp_path):
    picture = tmp_path / "twice.png"
    picture.write_bytes(phantom_picture(23))
    page = visit("cara", refusals=(422,))
    open_case(page, "N-103", "Smith, Lee")

    send_files(page, [picture])
    expect(page.locator("#scans article")).to_have_count(1, timeout=STORED)
    page.reload()
    send_files(page, [picture])

    expect(page.locator("#upload li").filter(has_text="twice.png")).to_contain_text("already", timeout=STORED)
    expect(page.locator("#scans article")).to_have_count(1)
