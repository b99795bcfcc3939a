"""A manager presses the button, sees whether the new model misses fewer infections, promotes it, and goes back.

The training is real: a last layer on the shipped backbone, fitted by the training worker to phantoms of a base set.
"""

import csv
import hashlib
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.scans import phantom_picture
from tests.launched import Portal

PATIENTS_OF_EACH_LABEL = 22
TRAINED = 240_000  # milliseconds for training and comparing on a busy machine


def write_phantoms(folder: Path) -> None:
    """One picture for each patient, with opacities or without, and the manifest."""
    rows = []
    for number in range(PATIENTS_OF_EACH_LABEL):
        for label, opacities in (("covid", 0.9), ("non-covid", 0.0)):
            name = f"{label}-{number:02}.png"
            data = phantom_picture(5000 + 2 * number + (label == "covid"), opacities=opacities)
            (folder / name).write_bytes(data)
            rows.append((name, label, name.removesuffix(".png"), hashlib.sha256(data).hexdigest()))
    with (folder / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "label", "group", "sha256"), *rows])


@pytest.fixture(scope="module")
def base_set(portal: Portal, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("phantoms")
    write_phantoms(folder)
    portal.run("manage.py", "import_labels", str(folder), "--name", "phantoms", "--licence", "Drawn for the tests")
    return "phantoms"


def confirm(page: Page, words: str) -> None:
    page.get_by_role("dialog").get_by_role("button", name=words).click()


def test_from_the_button_to_the_promotion_and_back(visit, base_set):
    page = visit("demo-admin")
    page.set_default_timeout(60_000)
    shipped = model_in_service(page)

    freeze_a_data_set(page, base_set)
    train(page)
    promote(page, shipped)
    read_open_cases_again(page)
    roll_back(page, shipped)


def model_in_service(page: Page) -> str:
    page.goto("/learning/")
    step = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name="In service"))
    return step.locator(".loop-figure").inner_text().strip()


def freeze_a_data_set(page: Page, base_set: str) -> None:
    page.goto("/learning/datasets/new/")
    page.get_by_label(re.compile(base_set)).check()
    page.get_by_role("button", name=re.compile("Freeze these")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(r"Data set \d+"))


def train(page: Page) -> None:
    page.goto("/learning/runs/new/")
    expect(page.get_by_text("Kept aside to test it")).to_be_visible()
    page.get_by_role("button", name="Start the training").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(r"Training run \d+"))
    page.get_by_role("link", name="See the comparison").click(timeout=TRAINED)


def promote(page: Page, shipped: str) -> None:
    expect(page.get_by_role("heading", name="The gate is open")).to_be_visible()
    expect(page.locator("main")).to_contain_text(shipped)
    page.get_by_role("button", name=re.compile("^Promote ")).click()
    confirm(page, "Promote it")
    expect(page.locator(".messages")).to_contain_text("in service")


def read_open_cases_again(page: Page) -> None:
    page.goto("/learning/#reread")
    page.get_by_role("button", name="Read again").click()
    confirm(page, "Read them again")
    expect(page.locator(".messages")).to_contain_text(re.compile(r"\d+ scan"))


def roll_back(page: Page, shipped: str) -> None:
    page.goto("/learning/")
    page.get_by_text(f"Roll back to {shipped}").first.click()
    page.get_by_label(re.compile("leave service")).fill("The end of a test.")
    page.get_by_role("button", name=f"Roll back to {shipped}").click()
    confirm(page, "Roll back")
    expect(page.locator(".messages")).to_contain_text(shipped)
    assert model_in_service(page) == shipped
