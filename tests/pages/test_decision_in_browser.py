"""Deciding in a real browser: one button, one guard, and nothing that is typed gets lost."""

import re
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import expect

from cases.models import Review, ReviewDraft
from ctportal.pages.reading import opened_page
from tests.cast import PASSWORD, answer, make_case, make_patient, make_scan

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
A_WHILE = 1000  # milliseconds in which a decision that must not be recorded would have been
TEXT = "Only atelectasis"


@pytest.fixture
def two(cara, answered, model):
    """Provides Anna's scan and that of a second patient, both answered: Opacities as in COVID-19 likely."""
    other = make_scan(make_case(make_patient(answered.site)), cara)
    answer(other, model)
    return answered, other


def open_scan(enter, reader, scan):
    page = enter(reader, f"/cases/{scan.case_id}/read/")
    expect(page.locator("#slice")).to_have_attribute("src", re.compile("^blob:"))
    return page


def wait_until_armed(page):
    """A fresh page takes no decision."""
    expect(record(page)).to_have_attribute("aria-disabled", "false")


def begin(page, key="2", text=TEXT):
    """Chooses a label and types a reason."""
    wait_until_armed(page)
    page.keyboard.press(key)
    page.locator("#reason").fill(text)


def record(page):
    return page.locator("#record")


def log_in(page, person):
    page.get_by_label("User name or email address").fill(person.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


# --- one button that follows the choice ---


def test_the_button_says_and_does_what_is_chosen(enter, page, faults, rita, answered):
    open_scan(enter, rita, answered)
    expect(record(page)).to_have_accessible_name("Confirm: COVID-19 C")
    begin(page)
    expect(record(page)).to_have_accessible_name("Record: Not COVID-19, against the model's answer C")
    assert page.locator("#decision button[type=submit]:visible").count() == 1
    record(page).click()
    page.wait_for_url(re.compile(r":\d+/$"))
    review = Review.objects.get()
    assert (review.label, review.reason, review.agrees) == ("non_covid", TEXT, False)
    assert faults == []


def test_after_escape_the_key_records_what_is_chosen_and_not_what_the_model_says(enter, page, rita, answered):
    open_scan(enter, rita, answered)
    begin(page)
    page.keyboard.press("Escape")
    page.keyboard.press("c")
    page.wait_for_url(re.compile(r":\d+/$"))
    assert Review.objects.get().label == "non_covid"


def test_the_key_asks_for_the_reason_that_is_missing(enter, page, rita, answered):
    open_scan(enter, rita, answered)
    begin(page, text="")
    page.keyboard.press("Escape")
    page.keyboard.press("c")
    expect(page.locator("#reason")).to_be_focused()
    assert not Review.objects.exists()


def test_a_label_chosen_once_more_leads_to_its_reason_so_that_typing_presses_no_key(enter, page, rita, answered):
    open_scan(enter, rita, answered)
    begin(page)
    page.keyboard.press("Escape")
    page.keyboard.press("2")
    page.keyboard.type(" or a scar, not typical")
    expect(page.locator("#reason")).to_have_value(f"{TEXT} or a scar, not typical")
    assert not Review.objects.exists()


def test_choosing_the_models_label_again_confirms(enter, page, rita, answered):
    open_scan(enter, rita, answered)
    begin(page)
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    expect(record(page)).to_have_accessible_name("Confirm: COVID-19 C")
    page.keyboard.press("Escape")
    page.keyboard.press("c")
    page.wait_for_url(re.compile(r":\d+/$"))
    review = Review.objects.get()
    assert (review.label, review.reason, review.agrees) == ("covid", "", True)


def test_letters_typed_after_the_models_own_label_are_its_reason_and_no_keys(enter, page, rita, answered):
    open_scan(enter, rita, answered)
    wait_until_armed(page)
    page.keyboard.press("1")
    page.keyboard.type("consolidation, next to exudate")
    expect(page.locator("#reason")).to_have_value("consolidation, next to exudate")
    expect(page.get_by_label("Close the case after this decision")).not_to_be_checked()
    assert not Review.objects.exists()
    page.keyboard.press("Control+Enter")
    page.wait_for_url(re.compile(r":\d+/$"))
    assert (Review.objects.get().label, Review.objects.get().reason) == ("covid", "consolidation, next to exudate")


def test_a_reason_stays_with_the_label_for_which_it_was_typed(enter, page, faults, rita, answered):
    open_scan(enter, rita, answered)
    begin(page)
    page.keyboard.press("Escape")
    page.keyboard.press("3")
    expect(page.locator("#reason")).to_have_value("")
    expect(page.locator("#other-reason")).to_contain_text(f"Typed for Not COVID-19: “{TEXT}”")
    page.locator("#reason").press("Escape")
    page.keyboard.press("2")
    expect(page.locator("#reason")).to_have_value(TEXT)
    page.locator("#reason").press("Escape")
    page.keyboard.press("3")
    page.get_by_role("button", name="Use it here").click()
    expect(page.locator("#reason")).to_have_value(TEXT)
    expect(page.locator("#other-reason")).to_be_hidden()
    page.keyboard.press("Control+Enter")
    page.wait_for_url(re.compile(r":\d+/$"))
    review = Review.objects.get()
    assert (review.label, review.reason) == ("cannot_tell", TEXT)
    assert faults == []


# --- one guard ---


def test_a_double_click_never_decides_the_scan_that_follows(enter, page, rita, two):
    first, second = two
    page.clock.install()
    open_scan(enter, rita, first)
    wait_until_armed(page)
    page.clock.pause_at(datetime.now() + timedelta(minutes=1))
    box = record(page).bounding_box()
    at = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.click(*at)
    page.mouse.click(*at)
    page.wait_for_url(f"**/cases/{second.case_id}/read/")
    expect(page.locator("#slice")).to_have_attribute("src", re.compile("^blob:"))
    for milliseconds in (0, 250, 400):
        page.clock.run_for(milliseconds)
        page.mouse.click(*at)
    expect(record(page)).to_contain_text("Confirm")
    assert [review.scan for review in Review.objects.all()] == [first]
    page.clock.run_for(100)
    expect(record(page)).to_have_attribute("aria-disabled", "false")


def test_nothing_is_decided_before_the_picture_is_there(enter, page, rita, answered):
    held, is_slow = [], [True]
    home = enter(rita).url
    page.route("**/view.png", lambda route: held.append(route) if is_slow[0] else route.continue_())
    page.goto(f"{home}cases/{answered.case_id}/read/", wait_until="commit")
    page.wait_for_timeout(A_WHILE)
    page.keyboard.press("c")
    page.keyboard.press("Control+Enter")
    page.locator("#record").dispatch_event("click")
    page.evaluate("document.getElementById('decision').requestSubmit()")
    page.evaluate("document.getElementById('decision').requestSubmit(document.getElementById('record'))")
    page.locator("[name=label][value=covid]").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    page.wait_for_timeout(300)
    assert not Review.objects.exists()
    assert record(page).get_attribute("aria-disabled") == "true"
    is_slow[0] = False
    for route in held:
        route.continue_()
    expect(record(page)).to_have_attribute("aria-disabled", "false")
    page.keyboard.press("c")
    page.wait_for_url(re.compile(r":\d+/$"))
    assert Review.objects.count() == 1


def test_on_a_slow_line_the_button_says_that_it_records_and_takes_no_second_click(enter, page, faults, rita, two):
    first, second = two
    open_scan(enter, rita, first)
    held = []
    page.route("**/review/", lambda route: held.append(route))
    wait_until_armed(page)
    page.keyboard.press("c")
    expect(record(page)).to_contain_text("Recording…")
    record(page).dispatch_event("click")
    page.keyboard.press("c")
    page.wait_for_timeout(400)
    assert len(held) == 1
    held[0].continue_()
    page.wait_for_url(f"**/cases/{second.case_id}/read/")
    assert Review.objects.count() == 1
    assert faults == []


def test_an_answer_that_has_just_come_is_not_confirmed_by_a_click_under_way(enter, page, rita, model, scan):
    open_scan(enter, rita, scan)
    wait_until_armed(page)
    page.evaluate(
        """document.body.addEventListener("htmx:afterSettle", (event) => {
            if (event.detail.target.id === "answer") document.getElementById("record").click();
        })"""
    )
    answer(scan, model)
    expect(record(page)).to_have_accessible_name("Confirm: COVID-19 C")
    page.wait_for_timeout(A_WHILE)
    assert not Review.objects.exists()


def test_a_second_click_goes_past_no_case_after_a_blinded_decision(enter, page, otto, jonas, model, media):
    scan, _ = (make_scan(make_case(make_patient(jonas.site)), otto) for _ in range(2))
    answer(scan, model)
    page.clock.install()
    open_scan(enter, otto, scan)
    wait_until_armed(page)
    page.clock.pause_at(datetime.now() + timedelta(minutes=1))
    page.keyboard.press("1")
    page.keyboard.press("Escape")
    page.keyboard.press("c")
    page.wait_for_url(f"**/cases/{scan.case_id}/read/?scan={scan.pk}")
    page.clock.run_for(600)
    page.get_by_role("link", name="Next case").last.dispatch_event("click")
    page.wait_for_timeout(300)
    assert page.url.endswith(f"?scan={scan.pk}")


# --- nothing typed is lost ---


def test_what_is_typed_is_there_after_a_reload(enter, page, faults, rita, answered):
    open_scan(enter, rita, answered)
    begin(page)
    page.get_by_label("Close the case after this decision").check()
    expect(page.locator("#draft-state")).to_have_text("Kept as a draft, not recorded yet.")
    page.reload()
    expect(page.locator("#reason")).to_have_value(TEXT)
    expect(page.get_by_role("radio", name="Not COVID-19")).to_be_checked()
    expect(page.get_by_label("Close the case after this decision")).to_be_checked()
    expect(record(page)).to_have_accessible_name("Record: Not COVID-19, against the model's answer C")
    page.get_by_role("button", name="Discard the draft").click()
    expect(page.locator("#reason")).to_have_value("")
    assert not ReviewDraft.objects.exists()
    assert faults == []


def test_what_was_typed_a_moment_before_leaving_is_kept(enter, page, rita, answered):
    here = open_scan(enter, rita, answered).url
    begin(page)
    page.goto(page.url.split("/cases/")[0] + "/help/")
    page.wait_for_timeout(500)
    page.goto(here)
    expect(page.locator("#reason")).to_have_value(TEXT)


def test_a_decision_that_is_sent_after_the_session_ended_is_there_after_the_log_in(enter, page, faults, rita, answered):
    open_scan(enter, rita, answered)
    begin(page)
    page.context.clear_cookies()
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/accounts/login/?next=**")
    log_in(page, rita)
    page.wait_for_url(f"**/cases/{answered.case_id}/read/?scan={answered.pk}")
    expect(page.get_by_text("Not recorded yet")).to_be_visible()
    expect(page.locator("#reason")).to_have_value(TEXT)
    assert not Review.objects.exists()
    expect(record(page)).to_have_attribute("aria-disabled", "false")
    record(page).click()
    page.wait_for_url(re.compile(r":\d+/$"))
    assert Review.objects.get().label == "non_covid"
    assert not ReviewDraft.objects.exists()
    assert faults == []


def test_a_log_in_in_another_window_does_not_stop_the_decision(enter, page, rita, answered):
    open_scan(enter, rita, answered)
    begin(page)
    page.context.clear_cookies()
    other = page.context.new_page()
    other.goto(page.url)
    log_in(other, rita)
    other.close()
    with page.expect_navigation():
        page.keyboard.press("Control+Enter")
    expect(page.locator("#reason")).to_have_value(TEXT)
    wait_until_armed(page)
    record(page).click()
    page.wait_for_url(re.compile(r":\d+/$"))
    assert Review.objects.get().reason == TEXT


def test_without_a_connection_the_page_says_so_and_keeps_the_text(enter, page, faults, rita, answered):
    open_scan(enter, rita, answered)
    begin(page)
    page.context.set_offline(True)
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("alert").filter(has_text="The portal does not answer")).to_be_visible()
    expect(page.locator("#reason")).to_have_value(TEXT)
    assert not Review.objects.exists()
    page.context.set_offline(False)
    page.keyboard.press("Control+Enter")
    page.wait_for_url(re.compile(r":\d+/$"))
    assert Review.objects.count() == 1
    assert faults == []


def test_an_answer_that_got_lost_on_its_way_does_not_record_twice(enter, page, rita, answered):
    open_scan(enter, rita, answered)
    begin(page)

    def lose(route):
        route.fetch(max_redirects=0)
        route.abort()

    page.route("**/review/", lose, times=1)
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("alert").filter(has_text="The portal does not answer")).to_be_visible()
    page.keyboard.press("Control+Enter")
    page.wait_for_url(re.compile(r":\d+/$"))
    assert Review.objects.count() == 1
    assert not ReviewDraft.objects.exists()


# --- what others do, and the way back ---


def test_undo_takes_the_decision_back_and_brings_its_text(enter, page, faults, rita, two):
    first, second = two
    page.clock.install()
    open_scan(enter, rita, first)
    begin(page)
    page.get_by_label("Close the case after this decision").check()
    page.keyboard.press("Control+Enter")
    page.wait_for_url(f"**/cases/{second.case_id}/read/")
    page.clock.pause_at(datetime.now() + timedelta(seconds=1))
    expect(page.get_by_role("button", name=re.compile("^Undo Z possible for"))).to_be_visible()
    page.keyboard.press("z")
    page.wait_for_url(f"**/cases/{first.case_id}/read/?scan={first.pk}")
    expect(page.get_by_role("status").filter(has_text="no longer counts")).to_be_visible()
    expect(page.locator("#reason")).to_have_value(TEXT)
    expect(page.get_by_label("Close the case after this decision")).to_be_checked()
    assert not Review.objects.current().exists()
    first.case.refresh_from_db()
    assert first.case.status == "open"
    assert faults == []


def test_the_offer_to_undo_is_counted_down_and_goes(enter, page, faults, rita, two):
    first, second = two
    page.clock.install()
    open_scan(enter, rita, first)
    wait_until_armed(page)
    page.keyboard.press("c")
    page.wait_for_url(f"**/cases/{second.case_id}/read/")
    undo = page.get_by_role("button", name=re.compile("^Undo"))
    expect(undo).to_be_visible()
    page.clock.fast_forward(11_000)
    expect(undo).to_be_hidden()
    expect(page.get_by_role("link", name="Change")).to_be_visible()
    assert faults == []


def test_a_stale_page_says_so_before_it_records(enter, page, faults, rita, rob, answered, review):
    open_scan(enter, rita, answered)
    begin(page)
    review(answered, rob, "covid")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("alert").filter(has_text="Rob has decided scan")).to_be_visible()
    assert not Review.objects.filter(reader=rita).exists()
    page.get_by_role("link", name="Look again").click()
    expect(page.locator("#reason")).to_have_value(TEXT)
    expect(page.get_by_text("Agrees with the model")).to_be_visible()
    expect(record(page)).to_have_attribute("aria-disabled", "false")
    record(page).click()
    page.wait_for_url(re.compile(r":\d+/$"))
    assert Review.objects.get(reader=rita).label == "non_covid"
    assert faults == []


def test_of_two_windows_the_second_does_not_change_what_the_first_recorded(enter, page, rita, answered):
    here = open_scan(enter, rita, answered).url
    other = page.context.new_page()
    other.goto(here)
    begin(page)
    page.keyboard.press("Control+Enter")
    page.wait_for_url(re.compile(r":\d+/$"))
    begin(other, key="3", text="Motion")
    other.keyboard.press("Control+Enter")
    expect(other.get_by_role("alert").filter(has_text="You have decided scan")).to_be_visible()
    assert Review.objects.get().label == "non_covid"


def test_going_back_shows_what_was_decided(enter, page, rita, answered):
    open_scan(enter, rita, answered)
    begin(page)
    page.keyboard.press("Control+Enter")
    page.wait_for_url(re.compile(r":\d+/$"))
    page.go_back()
    expect(page.get_by_text("Change your decision")).to_be_visible()
    expect(page.locator("#reason")).to_be_hidden()


def test_the_message_leads_back_to_change_the_decision(enter, page, faults, rita, two):
    first, second = two
    open_scan(enter, rita, first)
    wait_until_armed(page)
    page.keyboard.press("c")
    page.wait_for_url(f"**/cases/{second.case_id}/read/")
    page.get_by_role("status").get_by_role("link", name="Change").click()
    expect(page.locator("#slice")).to_have_attribute("src", re.compile("^blob:"))
    begin(page, key="3", text="Motion")
    expect(record(page)).to_have_accessible_name("Change to: Cannot tell, against the model's answer C")
    record(page).click()
    page.wait_for_url(f"**/cases/{second.case_id}/read/")
    assert Review.objects.current().get(scan=first).label == "cannot_tell"
    assert Review.objects.filter(scan=first).count() == 2
    assert faults == []


# --- without scripts ---


@pytest.fixture
def plain_page(browser, live_server, rita):
    context = browser.new_context(java_script_enabled=False, base_url=live_server.url)
    page = context.new_page()
    page.goto("/accounts/login/")
    log_in(page, rita)
    yield page
    context.close()


def test_without_scripts_a_label_is_confirmed_or_recorded(plain_page, two):
    first, second = two
    plain_page.goto(f"/cases/{first.case_id}/read/")
    plain_page.wait_for_timeout(A_WHILE)
    plain_page.get_by_role("button", name="Confirm: COVID-19").click()
    plain_page.wait_for_url(f"**/cases/{second.case_id}/read/")
    plain_page.wait_for_timeout(A_WHILE)
    plain_page.get_by_label("Not COVID-19").check()
    plain_page.get_by_label("Reason").fill(TEXT)
    plain_page.get_by_role("button", name="Confirm: COVID-19").click()
    plain_page.get_by_text("You chose “Not COVID-19”, and the button was for “COVID-19”.").wait_for()
    assert Review.objects.count() == 1
    plain_page.wait_for_timeout(A_WHILE)
    plain_page.get_by_role("button", name="Record the decision").click()
    plain_page.wait_for_url(re.compile(r":\d+/$"))
    assert Review.objects.get(scan=second).label == "non_covid"


def test_without_scripts_a_double_click_decides_one_scan(plain_page, two, monkeypatch):
    first, second = two
    plain_page.goto(f"/cases/{first.case_id}/read/")
    plain_page.wait_for_timeout(A_WHILE)
    box = plain_page.get_by_role("button", name="Confirm: COVID-19").bounding_box()
    at = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    plain_page.mouse.click(*at)
    plain_page.wait_for_url(f"**/cases/{second.case_id}/read/")
    monkeypatch.setattr(opened_page, "SETTLING_SECONDS", 60)  # however slow this machine is
    plain_page.mouse.click(*at)
    plain_page.get_by_text("had been open for less than a second").wait_for()
    assert [review.scan for review in Review.objects.all()] == [first]


def test_without_scripts_a_decision_survives_the_end_of_the_session(plain_page, rita, answered):
    plain_page.goto(f"/cases/{answered.case_id}/read/")
    plain_page.get_by_label("Not COVID-19").check()
    plain_page.get_by_label("Reason").fill(TEXT)
    plain_page.context.clear_cookies()
    plain_page.get_by_role("button", name="Record the chosen label").click()
    plain_page.get_by_text("it is kept as a draft").wait_for()
    log_in(plain_page, rita)
    assert plain_page.get_by_label("Reason").input_value() == TEXT
    assert not Review.objects.exists()
