"""Reading in a real browser: slices, map, keys, and answers that arrive while one looks."""

import re
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import expect

from cases.models import Review, Scan, Slice
from tests.cast import answer, make_case, make_patient, make_scan

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def series(case, cara, model, media):
    """Provides five slices with an answer."""
    scan = make_scan(case, cara, slices=5)
    answer(scan, model)
    return scan


def open_scan(enter, reader, scan):
    page = enter(reader, f"/cases/{scan.case_id}/read/")
    expect(page.locator("#slice")).to_have_attribute("src", re.compile("^blob:"))
    return page


def press(page, *keys):
    if page.locator("#record").count():  # a fresh page does not listen to the keys that decide
        expect(page.locator("#record")).to_have_attribute("aria-disabled", "false")
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


def test_maps_that_are_held_back_come_only_to_who_asks_for_them(enter, page, faults, rita, series, model):
    model.card = {"maps": {"shown_by_default": False, "reason": "They point at disease by chance alone."}}
    model.save()
    open_scan(enter, rita, series)
    press(page, "m")
    expect(page.locator("#map-tools")).to_be_hidden()
    expect(page.locator("#map")).to_be_hidden()
    expect(page.locator("#answer")).to_contain_text("They point at disease by chance alone.")

    page.get_by_role("button", name="Offer it all the same").click()

    expect(page.locator("#map-toggle")).to_be_focused()
    expect(page.locator("#map")).to_be_visible()
    expect(page.get_by_role("button", name="Offer it all the same")).to_be_hidden()
    assert faults == []


def test_the_map_covers_exactly_the_slice(enter, page, faults, rita, series):
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


def test_nothing_of_the_look_goes_over_to_the_next_patient_and_the_map_neither(enter, page, rita, cara, series, model):
    other = make_scan(make_case(make_patient(series.site)), cara)
    answer(other, model)
    open_scan(enter, rita, series)
    press(page, "m", "i")
    page.locator("#map-opacity").fill("30")
    page.locator("#brightness").fill("150")
    expect(page.locator("#map")).to_be_visible()
    press(page, "n")
    page.wait_for_url(f"**/cases/{other.case_id}/read/")
    expect(page.locator("#slice")).to_have_attribute("src", re.compile("^blob:"))
    expect(page.get_by_role("button", name="Map", exact=True)).to_have_attribute("aria-pressed", "false")
    expect(page.locator("#map")).to_be_hidden()
    expect(page.locator("#map-opacity")).to_have_value("60")
    expect(page.locator("#brightness")).to_have_value("100")
    kept = page.evaluate("[...Object.keys(sessionStorage), ...Object.keys(localStorage)]")
    assert [name for name in kept if not name.startswith("htmx-")] == []


def test_brightness_and_inversion_change_the_look_and_zero_undoes_them(enter, page, faults, rita, series):
    open_scan(enter, rita, series)
    press(page, "i")
    page.locator("#brightness").fill("150")
    assert page.locator("#slice").evaluate("image => image.style.filter") == "invert(1) brightness(150%) contrast(100%)"
    page.locator("#stage").focus()
    press(page, "0")
    assert page.locator("#slice").evaluate("image => image.style.filter") == ""
    assert faults == []


def test_the_look_of_one_patient_does_not_go_over_to_the_next(enter, page, rita, cara, series, model):
    other = make_scan(make_case(make_patient(series.site)), cara, slices=2)
    open_scan(enter, rita, series)
    press(page, "i", "+")
    page.locator("#brightness").fill("150")
    page.locator("#contrast").fill("200")
    expect(page.locator("#look-words")).to_have_text("Inverted, brightness 150 %, contrast 200 %")
    page.locator("#stage").focus()
    press(page, "c")
    page.wait_for_url(f"**/cases/{other.case_id}/read/")
    expect(page.locator("#slice")).to_have_attribute("src", re.compile("^blob:"))
    assert page.locator("#slice").evaluate("image => image.style.filter") == ""
    expect(page.locator("#look-words")).to_be_hidden()
    expect(page.locator("#brightness")).to_have_value("100")
    expect(page.locator("#contrast")).to_have_value("100")
    expect(page.locator("#invert")).to_have_attribute("aria-pressed", "false")
    assert page.locator("#stage").evaluate("stage => stage.classList.contains('is-zoomed')") is False
    page.goto(f"{page.url.split('/cases/')[0]}/cases/{series.case_id}/read/")
    assert page.locator("#slice").evaluate("image => image.style.filter") == ""


def views_of(series):
    return [f"**/slices/{row.pk}/view.png" for row in series.slices.all()]


def shown(page):
    """What number, words and slider say, and which picture is on screen."""
    return page.evaluate(
        """() => ({
            words: document.getElementById("slice-words").textContent,
            range: document.getElementById("slice-range").value,
            alt: document.getElementById("slice").alt,
            src: document.getElementById("slice").src,
        })"""
    )


def test_number_and_slider_wait_for_a_slow_picture(enter, page, rita, series):
    held = []
    page.route(views_of(series)[4], lambda route: held.append(route))
    open_scan(enter, rita, series)
    press(page, "Home")
    expect(page.locator("#slice-words")).to_have_text("1 / 5")
    before = shown(page)
    press(page, "End")
    assert shown(page) == before
    page.locator("#slice-range").fill("5")
    assert shown(page) == before
    for route in held:
        route.continue_()
    expect(page.locator("#slice-words")).to_have_text("5 / 5")
    after = shown(page)
    assert (after["range"], after["alt"]) == ("5", "Slice 5 of 5")
    assert after["src"] != before["src"]


def test_a_slice_that_cannot_be_loaded_leaves_the_one_on_screen_and_is_tried_again(enter, page, faults, rita, series):
    page.route(views_of(series)[4], lambda route: route.abort())
    open_scan(enter, rita, series)
    press(page, "Home")
    expect(page.locator("#slice-words")).to_have_text("1 / 5")
    before = shown(page)
    page.context.set_offline(True)
    press(page, "End")
    trouble = page.get_by_role("alert").filter(has_text="Slice 5 could not be loaded. Slice 1 is still shown.")
    expect(trouble).to_be_visible()
    assert shown(page) == before
    page.context.set_offline(False)
    page.unroute(views_of(series)[4])
    trouble.get_by_role("button", name="Try again").click()
    expect(page.locator("#slice-words")).to_have_text("5 / 5")
    expect(trouble).to_be_hidden()
    assert faults == []


def test_quick_steps_add_up_while_pictures_are_on_their_way(enter, page, rita, series):
    held, is_slow = [], [False]
    page.route("**/view.png", lambda route: held.append(route) if is_slow[0] else route.continue_())
    is_slow[0] = True
    home = enter(rita).url
    page.goto(f"{home}cases/{series.case_id}/read/?slice=1", wait_until="commit")
    expect(page.locator("#slice-words")).to_have_text("Loading…")
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    expect(page.locator("#slice-words")).to_have_text("Loading…")
    is_slow[0] = False
    for route in held:
        route.continue_()
    expect(page.locator("#slice-words")).to_have_text("4 / 5")


# --- a case of many scans ---


@pytest.fixture
def many(answered):
    """150 scans in Anna's case; rows only, with the picture of the first."""
    rows = [
        Scan(
            case=answered.case,
            kind="image",
            content_key=f"many-{number}",
            slice_count=1,
            uploaded_by=answered.uploaded_by,
        )
        for number in range(149)
    ]
    Scan.objects.bulk_create(rows)
    first = answered.slices.get()
    same = {name: getattr(first, name) for name in ("media_type", "original", "view", "width", "height")}
    Slice.objects.bulk_create(Slice(scan=row, position=0, key=f"many-{row.pk}", **same) for row in rows)
    return [answered, *rows]


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (390, 844), (320, 640)])
def test_a_case_of_150_scans_leaves_the_button_in_the_window(enter, page, faults, rita, many, width, height):
    page.set_viewport_size({"width": width, "height": height})
    open_scan(enter, rita, many[0])
    expect(page.locator("#record")).to_be_in_viewport(ratio=1)
    press(page, "2")
    page.keyboard.type("Only atelectasis")
    expect(page.locator("#record")).to_be_in_viewport(ratio=1)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    page.locator("#scan-picker summary").click()
    expect(page.locator("#record")).to_be_in_viewport(ratio=1)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert faults == []


def test_the_list_of_scans_says_what_is_decided_and_where_one_is(enter, page, faults, rita, many, review):
    review(many[0], rita, "covid")
    open_scan(enter, rita, many[0])
    picker = page.locator("#scan-picker")
    expect(picker.locator("summary")).to_have_text(re.compile(r"Scan 2 of 150 · 1 decided"))
    picker.locator("summary").focus()
    page.keyboard.press("Enter")
    entries = picker.get_by_role("listitem")
    expect(entries).to_have_count(150)
    expect(entries.nth(0)).to_contain_text("decided by you: COVID-19")
    expect(entries.nth(0).locator(".bi-check-circle-fill")).to_be_visible()
    expect(entries.nth(1)).to_contain_text("undecided")
    expect(entries.nth(1)).to_contain_text("on screen")
    expect(entries.nth(1).locator("[aria-current=page]")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**?scan={many[1].pk}")
    page.locator("#scan-picker summary").click()
    page.keyboard.press("Escape")
    assert page.locator("#scan-picker").get_attribute("open") is None
    press(page, "u")
    page.wait_for_url(f"**?scan={many[2].pk}")
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
    page.clock.install()
    open_scan(enter, rita, series)
    press(page)
    page.clock.pause_at(datetime.now() + timedelta(minutes=1))
    for _ in range(3):
        page.keyboard.down("c")
    page.wait_for_url(f"**/cases/{other.case_id}/read/")
    expect(page.locator("#slice")).to_have_attribute("src", re.compile("^blob:"))
    page.clock.run_for(600)
    page.keyboard.down("c")
    page.clock.run_for(600)
    expect(page.locator("#record")).to_have_attribute("aria-disabled", "false")
    page.keyboard.down("c")  # held down until the page would listen
    expect(page.locator("#record")).to_contain_text("Confirm")
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


def test_the_answer_arrives_without_reloading_and_can_be_confirmed(enter, page, faults, rita, model, scan):
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


def test_what_does_not_fit_beside_the_image_is_said_and_one_press_leads_there(
    enter, page, faults, rita, rob, series, review
):
    review(series, rob, "non_covid", reason="Motion in all slices.")
    page.set_viewport_size({"width": 1366, "height": 768})
    open_scan(enter, rita, series)
    more = page.get_by_role("button", name="More below: 1 other decision")
    others = page.get_by_role("heading", name="Other decisions on this scan")
    expect(others).not_to_be_in_viewport(ratio=1)
    for _ in range(10):
        if more.is_hidden():
            break
        more.click()
        page.wait_for_timeout(300)
    expect(more).to_be_hidden()
    expect(page.get_by_text("Motion in all slices.")).to_be_in_viewport(ratio=1)
    page.set_viewport_size({"width": 390, "height": 844})
    expect(more).to_be_hidden()
    assert faults == []


def test_the_line_above_the_image_says_that_readers_disagree(enter, page, rita, rob, series, review):
    review(series, rob)
    review(series, rita, "non_covid", reason="Motion in all slices.")
    page.set_viewport_size({"width": 1366, "height": 768})
    open_scan(enter, rita, series)
    expect(page.locator(".strip").get_by_text("Readers disagree")).to_be_in_viewport(ratio=1)
