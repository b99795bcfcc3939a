"""A page that was opened before its reader logged in anew: its form is refused, and what was typed is kept."""

import time

import pytest
from django.test import Client
from django.urls import reverse

from cases.models import Review, ReviewDraft
from ctportal.pages.reading.opened_page import OpenedPage
from tests.pages.test_decision_guards import words


@pytest.fixture
def strict(rita):
    """Rita's browser, as strict about the tokens of forms as a real one meets."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(rita)
    return client


def stale(reader, scan, **fields):
    page = OpenedPage(reader.pk, scan.pk, time.time() - 60).key
    return {"csrfmiddlewaretoken": "x" * 64, "page": page, "label": "non_covid", "reason": "Only atelectasis", **fields}


def test_the_decision_is_kept_as_a_draft_and_its_page_says_so(strict, rita, answered):
    response = strict.post(reverse("scan-review", args=[answered.pk]), stale(rita, answered), follow=True)
    assert response.redirect_chain == [(f"/cases/{answered.case_id}/read/?scan={answered.pk}", 302)]
    assert "was not recorded: you have logged in anew" in words(response)
    assert "Only atelectasis</textarea>" in words(response)
    assert not Review.objects.exists()


def test_the_page_of_a_colleague_keeps_nothing_for_whoever_is_logged_in_now(strict, rob, answered):
    response = strict.post(reverse("scan-review", args=[answered.pk]), stale(rob, answered))
    assert response.status_code == 403
    assert not ReviewDraft.objects.exists()


@pytest.mark.parametrize("key", ["", "made-up"])
def test_a_form_of_another_site_is_refused_and_keeps_nothing(strict, rita, answered, key):
    response = strict.post(reverse("scan-review", args=[answered.pk]), stale(rita, answered, page=key))
    assert response.status_code == 403
    assert "The form was too old" in words(response)
    assert not ReviewDraft.objects.exists()


def test_the_script_gets_the_plain_refusal_and_keeps_the_draft_itself(strict, rita, answered):
    address = reverse("scan-review", args=[answered.pk])
    response = strict.post(address, stale(rita, answered), headers={"Accept": "application/json"})
    assert response.status_code == 403
    assert not ReviewDraft.objects.exists()
