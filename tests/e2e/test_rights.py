"""Who sees what, and who may do what."""

import pytest
from playwright.sync_api import expect

from tests.e2e.people import log_in


def test_another_sites_cases_are_not_there(visit):
    page = visit("rita", refusals=(404,))

    page.goto("/?status=any")
    expect(page.get_by_text("Phantom")).to_have_count(0)
    page.goto("/?q=phantom&status=any")
    expect(page.get_by_text("No case matches")).to_be_visible()
    for path in ("/cases/4/", "/cases/4/read/", "/patients/4/", "/slices/1/view.png", "/slices/1/original"):
        answer = page.goto(path)
        assert answer.status == 404, path


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("cara", "/labels/"),
        ("cara", "/events/"),
        ("rita", "/members/"),
        ("rita", "/cases/new/"),
        ("max", "/cases/new/"),
    ],
)
def test_what_a_role_may_not_do_is_refused_in_words(visit, name, path):
    page = visit(name, refusals=(403,))

    answer = page.goto(path)

    assert answer.status == 403
    expect(page.get_by_role("main")).to_contain_text("Only a")
    expect(page.get_by_role("link", name="Worklist").first).to_be_visible()


def test_a_clinician_sees_the_answer_and_cannot_decide(visit):
    page = visit("demo-clinician")

    page.goto("/cases/4/read/")

    expect(page.get_by_text("Only a reader of this site can decide.")).to_be_visible()
    expect(page.get_by_role("radio")).to_have_count(0)
    page.keyboard.press("c")
    expect(page).to_have_url("/cases/4/read/")


def test_blinded_readers_see_the_answer_after_their_decision(visit):
    page = visit("demo-reader2")
    page.goto("/cases/8/read/")
    answer = page.locator("#answer")
    expect(answer).to_contain_text("Hidden until you decide")
    assert "likely" not in page.content()
    assert "unsuitable" not in page.content()
    expect(page.get_by_role("button", name="Map", exact=True)).to_be_hidden()

    page.get_by_label("Cannot tell").check()
    page.get_by_role("button", name="Record: Cannot tell").click()

    expect(answer.locator(".answer-headline")).to_be_visible()
    expect(answer).to_contain_text("Research use; not for diagnosis.")


def test_somebody_without_a_site_learns_what_is_missing(visit):
    page = visit("nora")
    page.goto("/")
    expect(page.get_by_text("You belong to no site yet")).to_be_visible()


def test_a_session_that_nobody_used_ends_and_leads_back(fresh_visit, portal):
    page = fresh_visit("rob")
    page.goto("/profile/")
    portal.run("-m", "tests.e2e.stage", "idle", "rob")

    page.get_by_role("link", name="Patients").click()

    expect(page.get_by_text("You were logged out because the session was idle.")).to_be_visible()
    log_in(page, "rob", here=True)
    expect(page).to_have_url("/patients/")
