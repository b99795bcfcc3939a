"""Reading in a real browser: slices, map, keys, and answers that arrive while one looks."""

import re

import pytest
from playwright.sync_api import expect

from cases.models import Review
from tests.cast import answer, make_case, make_patient, make_scan

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
DISARMED = 1000  # milliseconds; for a little less, a fresh page does not listen to the keys that decide


@pytest.fixture
def series(case, cara, model, media):
    """Five slices with an answer."""
    scan = make_scan(case, cara, slices=5)
    answer(scan, model)
    return scan


def open_scan(enter, reader, scan):
    page = enter(reader, f"/cases/{scan.case_id}/read/")
    expect(page.locator("#slice")).to_have_attribute("src", re.compile("^blob:"))
    return page


def press(page, *keys):
    page.wait_for_timeout(DISARMED)
    for key in keys:
        page.keyboard.press(key)


def test_slices_follow_keys_wheel_slider_and_curve(enter, page, faults, rita, series):
    open_scan(enter, rita, series)
    number = page.locator("#slice-words")
    press(page, "Home")
    expect(number).to_have_text("1 / 5")
    press(page, "ArrowDown", "ArrowRight")
    expect(number).to_have_text("3 / 5")
    page.locator("#stage").hover()
    page.mouse.wheel(0, 100)
    expect(number).to_have_text("4 / 5")
    page.locator("#slice-range").fill("2")
    expect(number).to_have_text("2 / 5")
    page.locator("#curve-plot").click(position={"x": 1, "y": 20})
    expect(number).to_have_text("1 / 5")
    page.get_by_role("button", name="Slice 5", exact=True).click()
    expect(number).to_have_text("5 / 5")
    expect(page.get_by_alt_text("Slice 5 of 5")).to_be_visible()
    assert faults == []


def test_the_map_lies_exactly_over_the_slice(enter, page, faults, rita, series):
    open_scan(enter, rita, series)
    expect(page.locator("#map")).to_be_hidden()
    press(page, "m")
    expect(page.locator("#map")).to_be_visible()
    press(page, "+", "+")
    assert page.locator("#map").bounding_box() == pytest.approx(page.locator("#slice").bounding_box(), abs=0.5)
    page.locator("#map-opacity").fill("30")
    assert page.locator("#map").evaluate("map => getComputedStyle(map).opacity") == "0.3"
    press(page, "m")
    expect(page.locator("#map")).to_be_hidden()
    assert faults == []


def test_brightness_and_inversion_change_the_look_and_zero_undoes_them(enter, page, faults, rita, series):
    open_scan(enter, rita, series)
    press(page, "i")
    page.locator("#brightness").fill("150")
    assert page.locator("#slice").evaluate("image => image.style.filter") == "invert(1) brightness(150%) contrast(100%)"
    page.locator("#stage").focus()
    press(page, "0")
    assert page.locator("#slice").evaluate("image => image.style.filter") == ""
    assert faults == []


def test_one_key_confirms_and_the_next_case_opens(enter, page, faults, rita, cara, series, model):
    other = make_scan(make_case(make_patient(series.site)), cara)
    open_scan(enter, rita, series)
    press(page, "c")
    page.wait_for_url(f"**/cases/{other.case_id}/read/")
    expect(page.get_by_text("COVID-19, as the model says.")).to_be_visible()
    assert Review.objects.get().agrees is True
    assert faults == []


def test_a_key_held_down_decides_nothing_on_the_page_that_follows(enter, page, rita, cara, series, model):
    other = make_scan(make_case(make_patient(series.site)), cara)
    answer(other, model)
    open_scan(enter, rita, series)
    press(page, "c", "c", "c")
    page.wait_for_url(f"**/cases/{other.case_id}/read/")
    page.keyboard.press("c")
    page.wait_for_timeout(DISARMED)
    assert Review.objects.count() == 1


def test_overriding_by_keyboard_asks_for_the_reason(enter, page, faults, rita, series):
    open_scan(enter, rita, series)
    press(page, "2")
    expect(page.locator("#reason")).to_be_focused()
    page.keyboard.press("Control+Enter")
    assert not Review.objects.exists()
    page.keyboard.type("Only atelectasis")
    page.keyboard.press("Control+Enter")
    page.wait_for_url(re.compile(r":\d+/$"))
    assert Review.objects.get().reason == "Only atelectasis"
    assert faults == []


def test_caps_lock_does_not_stop_the_reader(enter, page, rita, series):
    open_scan(enter, rita, series)
    press(page, "C")
    page.wait_for_url(re.compile(r":\d+/$"))
    assert Review.objects.exists()


def test_the_answer_arrives_by_itself_and_can_be_confirmed(enter, page, faults, rita, model, scan):
    open_scan(enter, rita, scan)
    expect(page.get_by_text("Waiting for the model")).to_be_visible()
    press(page, "2")
    answer(scan, model)
    expect(page.get_by_role("button", name="Record: Not COVID-19, against the model's answer")).to_be_visible()
    expect(page.locator("#map-tools")).to_be_visible()
    expect(page.get_by_role("radio", name="Not COVID-19")).to_be_checked()
    assert page.locator("#reason").evaluate("field => field.required")
    assert faults == []


def test_whoever_lost_the_session_is_led_to_the_log_in(enter, page, rita, model, scan):
    open_scan(enter, rita, scan)
    page.context.clear_cookies()
    page.wait_for_url(f"**/accounts/login/?next=/cases/{scan.case_id}/read/")
