"""Uses the portal without a mouse."""

import re

from playwright.sync_api import Page, expect

from tests.e2e.people import DEMO_PASSWORD


def test_a_reader_logs_in_reads_and_finds_help_by_keyboard_alone(fresh_browser):
    page = fresh_browser()
    page.goto("/")
    expect(page.get_by_label("User name or email address")).to_be_focused()
    page.keyboard.type("demo-reader")
    page.keyboard.press("Tab")
    page.keyboard.type(DEMO_PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Worklist")).to_be_visible()
    page.wait_for_load_state()  # keys, unlike clicks, do not wait for the page

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.press("Escape")

    page.keyboard.press("n")
    expect(page).to_have_url(re.compile(r"/cases/\d+/read/"))
    page.goto("/cases/4/read/")  # loaded whole, so that the keys find their listeners
    walk_through_the_slices(page)
    find_help(page)
    choose_a_label(page)
    page.keyboard.press("b")
    expect(page).to_have_url(re.compile(r"/cases/\d+/$"))


def walk_through_the_slices(page: Page) -> None:
    """The demonstration's emergency is a series of twelve."""
    place = page.locator("#slice-words")
    page.keyboard.press("Home")
    expect(place).to_have_text("1 / 12")
    page.keyboard.press("ArrowDown")
    expect(place).to_have_text("2 / 12")
    page.keyboard.press("PageDown")
    expect(place).to_have_text("7 / 12")
    page.keyboard.press("End")
    expect(place).to_have_text("12 / 12")


def find_help(page: Page) -> None:
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_contain_text("Map on or off")
    expect(dialog).to_contain_text("Next case")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def choose_a_label(page: Page) -> None:
    page.keyboard.press("3")
    expect(page.get_by_label("Cannot tell")).to_be_checked()
    page.keyboard.press("Escape")


def test_everything_that_takes_focus_shows_it(visit):
    page = visit("demo-clinician")
    page.goto("/cases/4/")
    seen = 0
    for _ in range(12):
        page.keyboard.press("Tab")
        seen += page.evaluate(
            """() => {
                const style = getComputedStyle(document.activeElement);
                const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
                return Number(ring || style.boxShadow !== "none");
            }"""
        )
    assert seen == 12
