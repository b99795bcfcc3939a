"""Tests monitoring, lineage and a model's card in a real browser: drawings, the keyboard, a phone, and paper."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from cases.models import Label
from tests.cast import answer, make_case, make_scan
from tests.pages.lineage_cast import freeze

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

INKED = (
    """canvas => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some(value => value)"""
)


@pytest.fixture
def figures(anna, cara, rita, model, review, media):
    """Two scans, one infection missed."""
    for decision, probability, label in (("non_covid", 0.08, Label.COVID), ("covid", 0.93, Label.COVID)):
        scan = make_scan(make_case(anna), cara)
        answer(scan, model, decision, probability)
        review(scan, rita, label, "Ground glass in both lower lobes.")


def test_the_drawings_are_drawn_and_their_tables_open_by_keyboard(enter, page, faults, max, figures):
    enter(max)
    page.keyboard.press("g")
    page.keyboard.press("i")
    page.wait_for_url("**/monitoring/")
    canvases = page.locator("canvas")
    expect(canvases.first).to_be_visible()
    assert all(canvas.evaluate(INKED) for canvas in canvases.all())

    summary = page.locator(".beside-table > summary").first
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("table", name="Scans and their answers, by day")).to_be_visible()
    assert faults == []


def test_without_scripts_the_tables_stand_alone(browser, live_server, client, settings, max, figures):
    client.force_login(max)
    name = settings.SESSION_COOKIE_NAME
    session = {"name": name, "value": client.cookies[name].value, "url": live_server.url}
    context = browser.new_context(java_script_enabled=False)
    context.add_cookies([session])
    page = context.new_page()
    page.goto(f"{live_server.url}/monitoring/")
    expect(page.locator("canvas").first).to_be_hidden()
    page.locator(".beside-table > summary").first.click()
    expect(page.get_by_role("table", name="Scans and their answers, by day")).to_be_visible()
    context.close()


def test_a_card_is_printed_without_the_frame(enter, page, cara, model):
    enter(cara, f"/models/{model.pk}/")
    expect(page.get_by_role("button", name="Print")).to_be_visible()
    page.emulate_media(media="print", color_scheme="dark")
    for part in (page.locator(".bar"), page.get_by_role("button", name="Print"), page.locator(".card-side")):
        expect(part).to_be_hidden()
    expect(page.get_by_text("Research use; not for diagnosis.").first).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_lineage_pleases_axe_and_fits_a_phone(enter, page, faults, max, rita, answered, review):
    review(answered, rita)
    answered.refresh_from_db()
    dataset = freeze(answered)
    page.set_viewport_size({"width": 320, "height": 700})
    home = enter(max).url.rstrip("/")
    for address in (
        f"/predictions/{answered.prediction_id}/lineage/",
        f"/scans/{answered.pk}/lineage/",
        f"/learning/datasets/{dataset.pk}/lineage/",
    ):
        for scheme in ("dark", "light"):
            page.emulate_media(color_scheme=scheme)
            page.goto(home + address)
            found = Axe().run(page).response["violations"]
            assert [fault["id"] for fault in found if fault["impact"] in ("serious", "critical")] == [], address
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, address
    assert faults == []
