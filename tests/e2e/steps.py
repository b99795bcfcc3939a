"""Steps that several tests take in front of the portal."""

from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Page, expect

STORED = 60_000  # milliseconds for an upload on a busy machine


def register_patient(page: Page, number: str, name: str) -> None:
    page.goto("/cases/new/")
    page.get_by_label("Medical record number", exact=True).fill(number)
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("button", name="Register and continue").click()


def open_case(page: Page, number: str, name: str) -> str:
    """Registers the patient too. Returns the address of the case."""
    register_patient(page, number, name)
    page.get_by_role("button", name="Open the case").click()
    expect(page.get_by_text("No scan yet")).to_be_visible()
    return urlsplit(page.url).path


def send_files(page: Page, files: list[Path]) -> None:
    page.get_by_label("Choose files").set_input_files(files)
    page.get_by_role("button", name=f"Upload {len(files)} file").click()
