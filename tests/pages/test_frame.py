"""Tests what surrounds every page: the links to the others, the theme, refusals, and nothing written inline."""

import re
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpResponse
from django.test import RequestFactory

from accounts.refusals import ReasonMissing, WrongState
from cases.casework import DuplicateRecordNumber
from ctportal.pages.shared.refusals import RefusalMiddleware, bad_request

pytestmark = pytest.mark.django_db

INLINE = re.compile(r"<style|<script(?![^>]*\ssrc=)|\sstyle=|\son[a-z]+=|javascript:", re.IGNORECASE)
DISCLAIMER = "Research use; not for diagnosis."


@pytest.mark.parametrize("address", ["/", "/help/", "/patients/", "/patients/new/", "/cases/new/"])
def test_pages_carry_the_disclaimer_and_a_strict_policy_and_nothing_inline(login, cara, case, address):
    response = login(cara).get(address)
    words = response.content.decode()
    assert DISCLAIMER in words
    assert not INLINE.search(words), INLINE.search(words)
    assert "'unsafe" not in response["Content-Security-Policy"]
    assert 'href="#content"' in words


def test_no_template_writes_scripts_or_styles_inline():
    templates = [*Path(django_settings.BASE_DIR, "ctportal", "templates").rglob("*.html")]
    assert len(templates) > 20
    assert [str(path) for path in templates if INLINE.search(path.read_text())] == []


def test_the_bar_offers_what_ones_roles_allow(login, cara, max):
    as_clinician = login(cara).get("/help/").content.decode()
    as_manager = login(max).get("/help/").content.decode()
    assert ("New case" in as_clinician, "New case" in as_manager) == (True, False)
    assert ('href="/events/"' in as_clinician, 'href="/events/"' in as_manager) == (False, True)


class TestTheme:
    def test_is_stored_with_the_user_and_leads_back(self, login, cara):
        response = login(cara).post("/theme/", {"theme": "dark", "next": "/patients/"})
        cara.refresh_from_db()
        assert (cara.theme, response["Location"]) == ("dark", "/patients/")
        assert 'data-shown-theme="dark"' in login(cara).get("/help/").content.decode()

    def test_never_leads_to_a_foreign_page(self, login, cara):
        response = login(cara).post("/theme/", {"theme": "dark", "next": "//elsewhere.example/"})
        assert response["Location"] == "/"

    def test_there_are_no_others(self, login, cara):
        assert login(cara).post("/theme/", {"theme": "pink"}).status_code == 400

    def test_is_for_people_who_are_logged_in(self, client):
        assert client.post("/theme/", {"theme": "dark"})["Location"].startswith("/accounts/login/")


class TestRefusals:
    def answer(self, error, **headers):
        request = RequestFactory(headers=headers).post("/cases/1/close/")
        return RefusalMiddleware(lambda request: HttpResponse()).process_exception(request, error)

    @pytest.mark.parametrize(
        ("error", "status"),
        [(WrongState("Case 1 is closed; reopen it first."), 409), (ReasonMissing("Write a short reason."), 422)],
    )
    def test_are_pages_with_the_message_itself(self, error, status):
        response = self.answer(error)
        assert response.status_code == status
        assert str(error) in response.content.decode()

    def test_a_duplicate_number_never_names_the_patient(self, anna):
        response = self.answer(DuplicateRecordNumber(anna))
        assert response.status_code == 409
        assert "Anna" not in response.content.decode()

    def test_are_text_for_a_toast_when_htmx_asks(self):
        response = self.answer(WrongState("Case 1 is closed."), **{"HX-Request": "true"})
        assert response.headers["X-Refusal"] == "1"
        assert response.content == b"Case 1 is closed."

    def test_an_error_that_is_no_refusal_is_not_answered_as_one(self):
        assert self.answer(ValueError("a bug")) is None

    def test_a_form_that_is_too_large_is_413(self):
        response = bad_request(RequestFactory().post("/"), RequestDataTooBig("too big"))
        assert response.status_code == 413
        assert "Shorten it." in response.content.decode()


class TestErrorPages:
    def test_404_says_where_to_go(self, login, cara):
        response = login(cara).get("/nowhere/")
        assert response.status_code == 404
        assert "To the worklist" in response.content.decode()

    def test_404_works_for_visitors_too(self, client):
        assert client.get("/nowhere/").status_code == 404

    def test_403_gives_the_reason(self, login, rita):
        response = login(rita).get("/cases/new/")
        assert response.status_code == 403
        assert "Only a clinician of this site" in response.content.decode()

    def test_a_form_without_its_token_is_explained(self, cara):
        from django.test import Client

        client = Client(enforce_csrf_checks=True)
        client.force_login(cara)
        response = client.post("/theme/", {"theme": "dark"})
        assert response.status_code == 403
        assert "The form was too old" in response.content.decode()

    def test_the_page_for_500_needs_nothing_and_reveals_nothing(self, cara, monkeypatch):
        from django.test import Client

        def fail(*args, **kwargs):
            raise RuntimeError("secret words")

        monkeypatch.setattr("ctportal.pages.casework.views.worklist.case_rows", fail)
        client = Client(raise_request_exception=False)
        client.force_login(cara)
        response = client.get("/")
        assert response.status_code == 500
        assert "Something went wrong on our side" in response.content.decode()
        assert "secret words" not in response.content.decode()
