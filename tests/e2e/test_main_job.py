"""The whole job through the pages: a case is opened, scans are sent, answered, read; the labelled set is exported."""

import re
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Page, expect

from ml.images.data import read_collection
from tests.e2e.people import log_out
from tests.e2e.scans import DATA, ScansToSend, scans_to_send

ANSWERS = re.compile("Opacities as in COVID-19 (?:un)?likely|Uncertain, please read|Not suitable for the model")
MEANT = {"Opacities as in COVID-19 likely": "COVID-19", "Opacities as in COVID-19 unlikely": "Not COVID-19"}
STORED = re.compile(r"^\d+ files stored\.$")
ANSWERED = 120_000  # milliseconds for the workers to read all scans of the case


def test_from_the_patient_to_the_labelled_set(fresh_visit, tmp_path):
    scans = scans_to_send(tmp_path)
    cara = fresh_visit("cara", refusals=(409,))  # the portal asks whose scan the public series is
    rita, max_ = fresh_visit("rita"), fresh_visit("max")

    case = open_a_case(cara)
    send_scans(cara, scans)
    see_answers_arrive(cara, scans)
    log_out(cara)

    rita.get_by_role("link", name="Read next").click()
    expect(rita).to_have_url(re.compile(f"{case}read/"))
    labels = read_all_scans(rita, count=len(scans.pictures) + 1)
    reopen_and_close(rita, case)

    folder = export_labelled_set(max_, tmp_path)
    expect_labels(folder, labels, scans)
    expect_record(max_, case)


def open_a_case(page: Page) -> str:
    """Returns the address of the case."""
    page.get_by_role("link", name="New case").click()
    page.get_by_label("Medical record number", exact=True).fill("N-4711")
    page.get_by_label("Name", exact=True).fill("Miller, Ann")
    page.get_by_label("Date of birth").fill("1961-04-12")
    page.get_by_label("Sex").select_option("Female")
    page.get_by_role("button", name="Register and continue").click()
    page.get_by_label("Accession number").fill("ACC-4711")
    page.get_by_label("Priority").select_option("Urgent")
    page.get_by_label("Reason for the examination").fill("Fever and cough for three days.")
    page.get_by_role("button", name="Open the case").click()
    expect(page.get_by_text("No scan yet")).to_be_visible()
    return urlsplit(page.url).path


def send_scans(page: Page, scans: ScansToSend) -> None:
    page.evaluate("window.hereSinceTheUpload = true")
    page.get_by_label("Choose files").set_input_files(scans.pictures)
    page.get_by_label("Choose a folder").set_input_files(scans.series)
    count = len(scans.pictures) + len(scans.series_files)
    page.get_by_role("button", name=f"Upload {count} files").click()
    question, stored = page.get_by_role("group", name="Whose scan is this?"), page.get_by_text(STORED)
    expect(question.or_(stored).first).to_be_visible(timeout=ANSWERED)
    if question.is_visible():  # the public series is of nobody here
        question.get_by_label("I have checked it").check()
        question.get_by_label("Why do the files differ?").fill("A public series, for trying the portal.")
        question.get_by_role("button", name="Upload to this patient all the same").click()
    expect(stored).to_be_visible(timeout=ANSWERED)
    expect(entries(page)).to_have_count(len(scans.pictures) + 1)


def entries(page: Page):
    return page.locator("#scans article")


def see_answers_arrive(page: Page, scans: ScansToSend) -> None:
    for entry in entries(page).all():
        expect(entry).to_contain_text(ANSWERS, timeout=ANSWERED)
        expect(entry).to_contain_text("Research use; not for diagnosis.")
        expect(entry).to_contain_text(re.compile(r"Model \S+ \S+ · "))
    expect(entries(page).filter(has_text="DICOM series")).to_contain_text(f"{len(scans.series_files)} slices")
    assert page.evaluate("window.hereSinceTheUpload"), "the page was loaded again"


def read_all_scans(page: Page, *, count: int) -> dict[str, str]:
    """Of definite answers every other one is confirmed, the rest overridden. Returns the label of each scan."""
    labels: dict[str, str] = {}
    ways: list[str] = []
    for number in range(1, count + 1):
        see_it_large(page)
        scan = (page.locator("#viewer").get_attribute("aria-label") or "").removeprefix("Images of scan ")
        if number == count:
            page.keyboard.press("x")
            expect(page.get_by_label("Close the case after this decision")).to_be_checked()
        says = MEANT.get(page.locator("#answer .answer-headline").inner_text().strip())
        ways.append(
            "decide" if says is None else "override" if ways.count("confirm") > ways.count("override") else "confirm"
        )
        labels[scan] = take_way(page, ways[-1], says)
        expect(page.get_by_role("status").filter(has_text=f"Recorded for scan {scan} ")).to_be_visible()
    # Phantoms look unlike the training data, so that the model leaves them to the reader.
    assert {"confirm", "override"} <= set(ways) or not DATA, "the model gave fewer than two definite answers"
    expect(page.get_by_role("status").filter(has_text="is closed.")).to_be_visible()
    return labels


def take_way(page: Page, way: str, says: str | None) -> str:
    if way == "confirm" and says:
        return confirm(page, says)
    if way == "override" and says:
        return override(page, against=says)
    return decide(page)


def see_it_large(page: Page) -> None:
    slice_, map_ = page.locator("#slice"), page.locator("#map")
    expect(slice_).to_be_visible()
    expect(slice_).to_have_js_property("complete", True)
    expect(slice_).not_to_have_js_property("naturalWidth", 0)
    box = slice_.bounding_box()
    assert box is not None
    assert max(box["width"], box["height"]) > 350
    toggle = page.get_by_role("button", name="Map", exact=True)
    expect(map_).to_be_hidden()
    page.keyboard.press("m")
    expect(toggle).to_have_attribute("aria-pressed", "true")
    expect(map_).to_be_visible()
    expect(map_).not_to_have_js_property("naturalWidth", 0)
    expect(page.locator("#record")).to_have_attribute("aria-disabled", "false")


def confirm(page: Page, label: str) -> str:
    expect(page.get_by_role("button", name=f"Confirm: {label}")).to_be_visible()
    page.keyboard.press("c")
    expect(page.get_by_role("status").filter(has_text="as the model says")).to_be_visible()
    return label


def override(page: Page, *, against: str) -> str:
    """Without a reason nothing is sent."""
    label, key = ("Not COVID-19", "2") if against == "COVID-19" else ("COVID-19", "1")
    page.keyboard.press(key)
    reason = page.get_by_label("Reason")
    expect(reason).to_be_focused()
    page.keyboard.press("Control+Enter")
    assert reason.evaluate("field => field.validity.valueMissing")
    page.keyboard.type("Seen on the slices next to it.")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("status").filter(has_text="against the model")).to_be_visible()
    return label


def decide(page: Page) -> str:
    """Where the model leaves it to the reader."""
    page.keyboard.press("1")
    page.keyboard.press("Control+Enter")
    return "COVID-19"


def reopen_and_close(page: Page, case: str) -> None:
    page.goto(case)
    expect(page.get_by_label("Case", exact=True)).to_contain_text("Closed")
    page.get_by_text("Reopen", exact=True).click()
    page.get_by_label("Why is the case opened again?").fill("A colleague asks for another look.")
    page.get_by_role("button", name="Reopen the case").click()
    expect(page.get_by_role("status").filter(has_text="is open again")).to_be_visible()
    page.get_by_role("button", name="Close", exact=True).click()
    page.get_by_role("button", name="Close it").click()
    expect(page.get_by_role("status").filter(has_text="is closed")).to_be_visible()


def export_labelled_set(page: Page, folder: Path) -> Path:
    page.get_by_role("link", name="Labelled set").click()
    with page.expect_download() as started:
        page.get_by_role("button", name="Export").click()
    with zipfile.ZipFile(started.value.path()) as archive:
        assert archive.testzip() is None
        archive.extractall(folder / "exported")
    return folder / "exported"


def expect_labels(folder: Path, labels: dict[str, str], scans: ScansToSend) -> None:
    """Every slice, with its scan's label and its patient's pseudonym, as `python -m ml train` reads them."""
    collection = read_collection(folder, check=True)
    assert len(collection.images) == len(scans.pictures) + len(scans.series_files)
    assert len(set(collection.groups)) == 1
    for image in collection.images:
        scan = re.match(r"scan-0*(\d+)-", image.path.name)
        assert scan is not None
        assert image.label == (labels[scan[1]] == "COVID-19")
    manifest = (folder / "manifest.csv").read_text()
    assert "Miller" not in manifest
    assert "4711" not in manifest


def expect_record(page: Page, case: str) -> None:
    """What has happened is on record for the manager."""
    page.goto(case)
    history = page.get_by_label("History")
    for act in ("opened a case", "uploaded a scan", "reviewed a scan", "closed a case", "reopened a case"):
        expect(history.get_by_text(act).first).to_be_visible()
    page.goto("/events/")
    expect(page.get_by_role("row").filter(has_text="Exported").first).to_be_visible()
