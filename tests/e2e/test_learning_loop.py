"""A manager presses the button, sees whether the new model misses fewer infections, promotes it, and goes back.

The training is real: a last layer on the shipped backbone, fitted by the training worker to phantoms of a base set.
"""

import csv
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from learning.datasets.splits import drawn_split, key_of_base_group
from tests.e2e.scans import phantom_picture
from tests.launched import Portal

BASE_SET = "phantoms"

# Patients of each label on each side: enough for the limits that this portal was started with.
WANTED = {"train": 8, "validation": 4, "test": 5}
TRAINED = 240_000  # milliseconds for training and comparing on a busy machine


def patients(label: str) -> Iterator[str]:
    """Names that the portal's own draw puts on the sides where they are wanted."""
    missing = Counter(WANTED)
    for number in count():
        name = f"{label}-{number:03}"
        side = drawn_split(key_of_base_group(BASE_SET, name))
        if missing[side] > 0:
            missing[side] -= 1
            yield name
        if not any(missing.values()):
            return


def write_phantoms(folder: Path) -> None:
    """Writes one picture for each patient, with opacities or without, and the manifest."""
    rows: list[tuple[str, ...]] = []
    for label, opacities in (("covid", 0.9), ("non-covid", 0.0)):
        for name in patients(label):
            data = phantom_picture(5000 + len(rows), opacities=opacities)
            (folder / f"{name}.png").write_bytes(data)
            rows.append((f"{name}.png", label, name, hashlib.sha256(data).hexdigest()))
    with (folder / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "label", "group", "sha256"), *rows])


@pytest.fixture(scope="module")
def base_set(portal: Portal, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("phantoms")
    write_phantoms(folder)
    portal.run("manage.py", "import_labels", str(folder), "--name", BASE_SET, "--licence", "Drawn for the tests")
    return BASE_SET


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
    page.get_by_label("covid-ct").uncheck()  # rows without files, for the pages of other tests
    expect(page.locator("#preview")).not_to_contain_text("covid-ct")
    page.get_by_role("button", name=re.compile("Freeze these")).click()
    expect(page.get_by_role("dialog")).to_contain_text(re.compile(f"Freeze a data set of .*{base_set}"))
    confirm(page, "Freeze it")
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(r"Data set \d+"))


def train(page: Page) -> None:
    page.goto("/learning/runs/new/")
    expect(page.get_by_text("Test patients (held out)")).to_be_visible()
    page.get_by_role("button", name="Start the training").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(r"Training run \d+"))
    page.get_by_role("link", name="See the comparison").click(timeout=TRAINED)


def promote(page: Page, shipped: str) -> None:
    expect(page.get_by_role("heading", name=re.compile("meets the promotion criteria"))).to_be_visible()
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
