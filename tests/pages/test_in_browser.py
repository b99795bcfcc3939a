"""The pages in a real browser: the keyboard, the upload, the theme, and what axe says of them."""

import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from ml.images.phantom import phantom_dicom
from tests.cast import PASSWORD, answer, make_case, make_scan, phantom_png

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def folder(tmp_path) -> Path:
    series = tmp_path / "chest"
    series.mkdir()
    for number, data in enumerate(phantom_dicom(seed=2, slices=3, size=64)):
        (series / f"IM{number}").write_bytes(data)
    (tmp_path / "good.png").write_bytes(phantom_png(50))
    (tmp_path / "cut.png").write_bytes(phantom_png(51)[:150])
    return tmp_path


def serious(page):
    found = Axe().run(page).response["violations"]
    return [(fault["id"], fault["nodes"][0]["html"]) for fault in found if fault["impact"] in ("serious", "critical")]


@pytest.mark.parametrize(("width", "scheme"), [(320, "dark"), (1280, "light")])
def test_pages_please_axe_and_never_scroll_sideways(enter, page, faults, cara, answered, width, scheme):
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    patient = answered.case.patient
    home = enter(cara).url.rstrip("/")
    for address in [
        "/",
        "/?status=any&q=nobody",
        "/help/",
        "/patients/",
        f"/patients/{patient.pk}/",
        f"/patients/{patient.pk}/edit/",
        "/cases/new/?q=anna",
        f"/cases/new/?patient={patient.pk}",
        f"/cases/{answered.case_id}/edit/",
        f"/cases/{answered.case_id}/",
        "/nowhere/",
    ]:
        page.goto(home + address)
        assert page.evaluate("document.documentElement.dataset.shownTheme") == scheme
        assert serious(page) == [], address
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, address
    assert faults == []


def test_the_log_in_page_pleases_axe(page, live_server, faults, db):
    page.goto(f"{live_server.url}/accounts/login/")
    assert serious(page) == []
    assert faults == []


def test_the_keyboard_leads_through_the_worklist(enter, page, faults, rita, cara, anna, model, media):
    first, second = (make_case(anna, priority=priority) for priority in ("urgent", "routine"))
    for case in (first, second):
        answer(make_scan(case, cara), model)
    enter(rita)
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_contain_text("Next row")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator("tr.is-current")).to_have_id(f"case-{second.pk}")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.name") == "q"
    page.keyboard.press("Escape")
    page.keyboard.press("o")
    page.wait_for_url(f"**/cases/{second.pk}/")
    page.keyboard.press("g")
    page.keyboard.press("p")
    page.wait_for_url("**/patients/")
    assert faults == []


def test_filters_apply_while_typing_and_stay_while_their_words_leave_the_address(enter, page, faults, cara, anna):
    make_case(anna, accession_number="ACC-77")
    make_case(anna, accession_number="ACC-88")
    enter(cara)
    page.get_by_role("searchbox", name="Search").press_sequentially("acc-77")
    page.wait_for_url(re.compile(r"/\?s=[\w-]+$"))
    expect(page.locator("tbody tr")).to_have_count(1)
    page.reload()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="Clear").click()
    page.wait_for_url(re.compile(r"/$"))
    expect(page.locator("tbody tr")).to_have_count(2)
    assert faults == []


def test_files_are_uploaded_each_with_its_fate(enter, page, faults, cara, case, model, media, folder):
    enter(cara, f"/cases/{case.pk}/")
    page.set_input_files("#upload-folder", folder / "chest")
    page.set_input_files("#upload-files", [folder / "good.png", folder / "cut.png"])
    page.get_by_role("button", name="Upload 5 files").click()
    page.get_by_text("4 files stored, 1 file not stored").wait_for()
    assert sorted(scan.slice_count for scan in case.scans.all()) == [1, 3]
    refused = page.locator(".upload-row.is-refused")
    expect(refused).to_contain_text("cut.png")
    expect(refused).to_contain_text("ends too early")
    assert serious(page) == []
    (folder / "cut.png").write_bytes(phantom_png(51))
    refused.get_by_role("button", name="Remove cut.png").click()
    page.set_input_files("#upload-files", folder / "cut.png")
    page.get_by_role("button", name="Upload 1 file").click()
    page.get_by_text("5 files stored.").wait_for()
    assert case.scans.count() == 3
    assert faults == []


def test_images_that_belong_together_become_one_scan(enter, page, cara, case, media, folder):
    (folder / "next.png").write_bytes(phantom_png(52))
    enter(cara, f"/cases/{case.pk}/")
    page.set_input_files("#upload-files", [folder / "good.png", folder / "next.png"])
    page.get_by_label("These images belong together").check()
    page.get_by_role("button", name="Upload 2 files").click()
    page.get_by_text("2 files stored.").wait_for()
    assert [scan.slice_count for scan in case.scans.all()] == [2]


def test_a_lost_session_loses_no_file(enter, page, cara, case, media, folder):
    enter(cara, f"/cases/{case.pk}/")
    page.set_input_files("#upload-files", folder / "good.png")
    page.context.clear_cookies()
    page.get_by_role("button", name="Upload 1 file").click()
    page.get_by_text("You were logged out.").wait_for()
    expect(page.get_by_role("button", name="Try again good.png")).to_be_visible()


def test_the_theme_changes_at_once_and_is_remembered(enter, page, faults, cara):
    enter(cara)
    page.locator(".dropdown-toggle").click()
    page.get_by_role("button", name="Dark").click()
    assert page.evaluate("document.documentElement.dataset.shownTheme") == "dark"
    page.locator("[name=theme][value=dark][aria-pressed=true]").wait_for(state="attached")
    page.wait_for_load_state("networkidle")
    page.reload()
    assert page.evaluate("document.documentElement.dataset.shownTheme") == "dark"
    assert faults == []


def test_a_case_is_opened_without_scripts(browser, live_server, cara, media, folder):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{live_server.url}/accounts/login/?next=/cases/new/")
    page.get_by_label("User name or email address").fill("cara")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_label("Medical record number", exact=True).fill("N-9")
    page.get_by_label("Name", exact=True).fill("Nora New")
    page.get_by_role("button", name="Register and continue").click()
    page.get_by_role("button", name="Open the case").click()
    page.set_input_files("#upload-files", [folder / "good.png", folder / "cut.png"])
    page.get_by_role("button", name="Upload", exact=True).click()
    assert "Stored: 1 scan with 1 slice." in page.inner_text("main")
    assert "cut.png" in page.inner_text("main")
    context.close()
