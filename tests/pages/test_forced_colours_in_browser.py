"""Windows high contrast: what is chosen, current, pressed or in focus is seen without colours of our own."""

import io
import re

import pytest
from PIL import Image
from playwright.sync_api import expect

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def forced(page):
    page.emulate_media(forced_colors="active", reduced_motion="reduce")
    return page


@pytest.fixture
def reading(forced, enter, rita, answered):
    enter(rita, f"/cases/{answered.case_id}/read/")
    expect(forced.locator("#slice")).to_have_attribute("src", re.compile("^blob:"))
    expect(forced.locator("#record")).to_have_attribute("aria-disabled", "false")
    return forced


def style(locator, *names, pseudo=None):
    script = "(e, [names, pseudo]) => names.map((name) => getComputedStyle(e, pseudo)[name])"
    return locator.evaluate(script, [list(names), pseudo])


def system_colour(page, name):
    return page.evaluate(
        """(name) => {
            const probe = document.body.appendChild(document.createElement("i"));
            probe.style.cssText = `forced-color-adjust: none; color: ${name}`;
            const colour = getComputedStyle(probe).color;
            probe.remove();
            return colour;
        }""",
        name,
    )


def test_the_chosen_label_has_a_border_of_its_own(reading):
    labels = reading.locator(".label-choice")
    reading.keyboard.press("2")
    assert style(labels.nth(1), "borderTopWidth", "borderTopColor") == ["3px", system_colour(reading, "Highlight")]
    assert style(labels.nth(0), "borderTopWidth") == ["1px"]
    assert style(labels.nth(1).locator("input"), "appearance") == ["auto"]


def test_a_tick_is_drawn_by_the_system(reading):
    reading.keyboard.press("x")
    box = reading.locator("#close")
    expect(box).to_be_checked()
    assert style(box, "appearance", "backgroundImage") == ["auto", "none"]


@pytest.mark.parametrize("name", ["brightness", "contrast", "map-opacity"])
def test_every_slider_has_an_edge_a_track_and_a_thumb(reading, name):
    slider = reading.locator(f"#{name}")
    assert style(slider, "borderTopWidth", "borderTopStyle") == ["1px", "solid"]
    ground = style(slider, "backgroundColor")
    picture = slider.screenshot()
    assert ground == [system_colour(reading, "Canvas")]
    assert len(colours_of(picture)) >= 3  # ground, track and thumb


def colours_of(picture):
    with Image.open(io.BytesIO(picture)) as image:
        return {colour for count, colour in image.convert("RGB").getcolors(1 << 16) if count >= 20}


def test_the_pressed_button_and_the_one_that_records_stand_out(reading):
    reading.keyboard.press("i")
    invert = reading.locator("#invert")
    assert style(invert, "backgroundColor") == [system_colour(reading, "Highlight")]
    assert style(reading.locator("#record"), "borderTopWidth") == ["2px"]


@pytest.mark.parametrize("width", [1280, 390])
def test_the_current_entry_of_the_menu_is_marked(forced, enter, rita, answered, width):
    forced.set_viewport_size({"width": width, "height": 800})
    enter(rita, "/patients/")
    if width < 900:
        forced.get_by_role("button", name="Menu").click()
    side = "borderBottom" if width > 900 else "borderLeft"
    current = forced.locator(".bar-nav [aria-current]")
    other = forced.locator(".bar-nav a:not([aria-current])").first
    highlight, canvas = system_colour(forced, "Highlight"), system_colour(forced, "Canvas")
    assert style(current, f"{side}Color") == [highlight]
    assert int(style(current, f"{side}Width")[0].removesuffix("px")) >= 4
    assert style(other, f"{side}Color") == [canvas]


def test_the_current_view_and_the_badges_of_the_worklist_have_edges(forced, enter, rita, answered):
    enter(rita)
    assert style(forced.locator(".view[aria-current]").first, "borderTopWidth") == ["3px"]
    for badge in forced.locator(".tag").all():
        assert style(badge, "borderTopStyle")[0] in ("solid", "dashed")
        assert style(badge, "borderTopColor") != [system_colour(forced, "Canvas")]


@pytest.mark.parametrize("address", ["/", "/patients/", "/cases/{case}/", "/cases/{case}/read/", "/profile/", "/help/"])
def test_whatever_takes_focus_shows_it(forced, enter, rita, answered, address):
    enter(rita, address.format(case=answered.case_id))
    for _ in range(25):
        forced.keyboard.press("Tab")
        seen = forced.evaluate(
            """() => {
                const element = document.activeElement;
                if (element === document.body) return "the page";
                const { outlineStyle, outlineWidth } = getComputedStyle(element);
                return outlineStyle !== "none" && parseFloat(outlineWidth) >= 2 ? "" : element.outerHTML.slice(0, 200);
            }"""
        )
        assert seen in ("", "the page")


def test_pictures_stay_on_black(reading):
    assert style(reading.locator("#stage"), "backgroundColor") == ["rgb(0, 0, 0)"]
