"""Makes the pictures of the guide and of the README again: `make pictures`.

Starts a portal of its own with the demonstration cases, which are synthetic; writes to docs/pictures/ only.
"""

import io
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.conftest import chromium
from tests.e2e.people import DEMO_PASSWORD, log_in
from tests.e2e.scans import phantom_picture
from tests.launched import free_port, launched_portal

PICTURES = Path(__file__).parent / "pictures"
LARGEST = 200_000
SCREEN, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 760}


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="ctportal-pictures-"))
    home.chmod(0o711)  # the account that runs PostgreSQL walks through
    with launched_portal(home / "var", free_port(), DEMO="1", DEMO_PASSWORD=DEMO_PASSWORD) as portal:
        portal.wait_until_it_answers()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
            clinician(browser, portal.address, home)
            reader(browser, portal.address)
            manager(browser, portal.address)
            browser.close()
    shutil.rmtree(home, ignore_errors=True)


def clinician(browser: Browser, address: str, folder: Path) -> None:
    with visit(browser, address, "demo-clinician", color_scheme="light") as page:
        page.goto("/cases/new/?q=elm")
        keep(page, "new-case")
        page.goto("/cases/6/")
        send_a_scan_and_a_letter(page, folder)
        page.locator("#upload [data-summary]").scroll_into_view_if_needed()
        keep(page, "case-upload")


def send_a_scan_and_a_letter(page: Page, folder: Path) -> None:
    scan, letter = folder / "slice-12.png", folder / "letter.pdf"
    scan.write_bytes(phantom_picture(41, opacities=0.5))
    letter.write_bytes(b"%PDF-1.4 a letter")
    page.get_by_label("Choose files").set_input_files([scan, letter])
    page.get_by_role("button", name="Upload 2 files").click()
    expect(page.locator("#scans article")).to_have_count(2, timeout=60_000)
    expect(page.locator("#scans")).not_to_contain_text("Waiting", timeout=60_000)


def reader(browser: Browser, address: str) -> None:
    with visit(browser, address, "demo-reader") as page:
        keep(page, "worklist")
        page.goto("/cases/4/read/")
        show_the_map(page)
        keep(page, "review")
        page.keyboard.press("?")
        keep(page, "shortcuts")
    with visit(browser, address, "demo-reader", viewport=PHONE) as page:
        keep(page, "phone-worklist")
        page.goto("/cases/4/read/")
        show_the_map(page)
        keep(page, "phone-review")


def show_the_map(page: Page) -> None:
    expect(page.locator("#slice")).to_have_js_property("complete", True)
    page.get_by_role("button", name="Map", exact=True).click()
    expect(page.locator("#map")).to_be_visible()


def manager(browser: Browser, address: str) -> None:
    with visit(browser, address, "demo-manager", color_scheme="light") as page:
        page.goto("/labels/?synthetic=on")
        keep(page, "labels")
        page.goto("/events/")
        keep(page, "events")
        page.goto("/members/")
        keep(page, "members")
        page.goto("/models/")
        keep(page, "models")


@contextmanager
def visit(browser: Browser, address: str, name: str, **options: object) -> Iterator[Page]:
    context = browser.new_context(**{"base_url": address, "viewport": SCREEN, "color_scheme": "dark", **options})  # type: ignore[arg-type]
    page = context.new_page()
    log_in(page, name)
    expect(page.get_by_role("heading", name="Worklist")).to_be_visible()
    yield page
    context.close()


def keep(page: Page, name: str) -> None:
    page.wait_for_load_state("networkidle")
    picture = Image.open(io.BytesIO(page.screenshot(animations="disabled"))).convert("RGB")
    for quality in (90, 80, 70, 55):
        out = io.BytesIO()
        picture.save(out, format="WEBP", quality=quality, method=6)
        if len(out.getvalue()) <= LARGEST:
            break
    (PICTURES / f"{name}.webp").write_bytes(out.getvalue())


if __name__ == "__main__":
    main()
