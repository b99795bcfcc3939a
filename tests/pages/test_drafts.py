"""A decision that is begun is kept for its reader alone, also when the session has ended meanwhile."""

import time
from datetime import timedelta

import pytest
from django.contrib.messages import get_messages
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.middleware import LAST_SEEN
from accounts.models import Event
from cases.drafts import draft_of, keep_draft
from cases.models import Review, ReviewDraft
from cases.tasks import tidy_up_drafts
from ctportal.pages.reading.opened_page import OpenedPage
from tests.cast import make_scan

BEGUN = {"label": "non_covid", "reason": "Only atelectasis", "close": "on"}


def page(scan, reader, *, seconds_ago=60):
    return OpenedPage(reader.pk, scan.pk, time.time() - seconds_ago).key


def keep(client, scan, reader, **fields):
    return client.post(reverse("scan-draft", args=[scan.pk]), {"page": page(scan, reader), **fields})


def read(client, scan):
    return client.get(reverse("case-read", args=[scan.case_id]), {"scan": scan.pk}).content.decode()


def messages_of(response):
    return [str(message) for message in get_messages(response.wsgi_request)]


def test_what_was_begun_is_filled_in_when_the_reader_comes_back(login, rita, answered):
    client = login(rita)
    assert keep(client, answered, rita, **BEGUN).status_code == 204
    form = read(client, answered)
    assert "Not recorded yet" in form
    assert ">Only atelectasis</textarea>" in form
    assert client.get(reverse("case-read", args=[answered.case_id])).context["form"]["label"].value() == "non_covid"
    assert client.get(reverse("case-read", args=[answered.case_id])).context["form"]["close"].value() is True


def test_there_is_one_draft_for_each_reader_and_scan(client, rita, rob, answered):
    for reader in (rita, rita, rob):
        keep(client, answered, reader, **BEGUN)
    assert ReviewDraft.objects.filter(scan=answered).count() == 2
    with pytest.raises(IntegrityError), transaction.atomic():
        ReviewDraft.objects.create(scan=answered, reader=rita, label="covid")


def test_an_emptied_draft_is_deleted(client, rita, answered):
    keep(client, answered, rita, **BEGUN)
    assert keep(client, answered, rita, reason=" ").status_code == 204
    assert not ReviewDraft.objects.exists()


def test_a_draft_is_seen_by_nobody_else(login, client, api_reviews, rita, rob, cara, max, sue, answered):
    keep(client, answered, rita, **BEGUN)
    for person in (rob, cara, max, sue):
        assert "atelectasis" not in read(login(person), answered)
        assert "atelectasis" not in login(person).get(reverse("case-detail", args=[answered.case_id])).content.decode()
    assert api_reviews(rob) == api_reviews(rita) == []


@pytest.fixture
def api_reviews(login):
    return lambda person: login(person).get("/api/v1/reviews/").json()["results"]


def test_a_draft_is_no_event_and_no_decision(client, rita, answered):
    before = Event.objects.count()
    keep(client, answered, rita, **BEGUN)
    assert Event.objects.count() == before
    assert not Review.objects.exists()
    answered.refresh_from_db()
    assert answered.final_label is None


def test_recording_deletes_the_readers_own_draft_only(client, rita, rob, answered, review):
    for reader in (rita, rob):
        keep(client, answered, reader, **BEGUN)
    review(answered, rita, "covid")
    assert [draft.reader for draft in ReviewDraft.objects.all()] == [rob]


def test_a_late_message_of_the_page_brings_no_draft_back_once_it_is_recorded(client, rita, answered, review):
    review(answered, rita, "covid")
    response = keep(client, answered, rita, **BEGUN)
    assert response.status_code == 409
    assert not ReviewDraft.objects.exists()


def test_a_change_of_a_recorded_decision_is_kept_too(login, rita, answered, review):
    review(answered, rita, "covid")
    assert keep_draft(scan=answered, reader=rita, label="cannot_tell", since=time.time() + 1)
    assert 'id="change"\n                 open>' in read(login(rita), answered)


def test_a_draft_is_discarded_by_its_reader(login, client, rita, rob, answered):
    for reader in (rita, rob):
        keep(client, answered, reader, **BEGUN)
    discard = reverse("scan-draft-discard", args=[answered.pk])
    assert client.post(discard).status_code == 302
    assert login(rita).post(discard)["Location"] == f"/cases/{answered.case_id}/read/?scan={answered.pk}"
    assert [draft.reader for draft in ReviewDraft.objects.all()] == [rob]


def test_drafts_are_forgotten_after_two_weeks(rita, rob, answered):
    now = timezone.now()
    ReviewDraft.objects.create(scan=answered, reader=rita, label="covid", saved_at=now - timedelta(days=15))
    ReviewDraft.objects.create(scan=answered, reader=rob, label="covid", saved_at=now - timedelta(days=13))
    tidy_up_drafts()
    tidy_up_drafts()
    assert [draft.reader for draft in ReviewDraft.objects.all()] == [rob]


# --- who may keep one ---


def test_nothing_is_kept_without_the_key_of_a_page(login, client, rita, answered):
    address = reverse("scan-draft", args=[answered.pk])
    for sender in (client, login(rita)):
        for key in ("", "made-up"):
            assert sender.post(address, {"page": key, **BEGUN}).status_code == 403
    assert not ReviewDraft.objects.exists()


def test_the_key_of_one_scan_keeps_nothing_for_another(login, rita, cara, answered):
    other = make_scan(answered.case, cara)
    address = reverse("scan-draft", args=[other.pk])
    assert login(rita).post(address, {"page": page(answered, rita), **BEGUN}).status_code == 403


def test_a_key_is_of_no_use_after_the_right_is_lost(client, rita, otto, cara, answered):
    assert keep(client, answered, otto, **BEGUN).status_code == 403  # of another site
    assert keep(client, answered, cara, **BEGUN).status_code == 409  # no reader
    rita.is_active = False
    rita.save()
    assert keep(client, answered, rita, **BEGUN).status_code == 403
    assert not ReviewDraft.objects.exists()


def test_nothing_is_kept_for_a_closed_case_or_a_withdrawn_scan(client, rita, answered, review):
    answered.withdraw(reason="Wrong patient")
    assert keep(client, answered, rita, **BEGUN).status_code == 409


@pytest.mark.parametrize("field", [{"label": "flu"}, {"reason": "x" * 2001}])
def test_what_is_no_decision_is_not_kept(client, rita, answered, field):
    assert keep(client, answered, rita, **field).status_code == 403
    assert not ReviewDraft.objects.exists()


def test_a_draft_of_a_closed_case_is_not_shown(rita, answered):
    keep_draft(scan=answered, reader=rita, label="covid")
    answered.case.status = "closed"
    assert draft_of(answered, rita) is None


# --- the session has ended ---


def decide(client, scan, reader, **headers):
    sent = {"page": page(scan, reader), "seen_prediction": scan.prediction_id, **BEGUN}
    return client.post(reverse("scan-review", args=[scan.pk]), sent, headers=headers)


def test_a_decision_sent_without_a_session_is_kept_and_the_log_in_leads_back_to_the_scan(client, rita, answered):
    response = decide(client, answered, rita)
    back = f"/cases/{answered.case_id}/read/?scan={answered.pk}"
    assert response["Location"] == f"/accounts/login/?next={back.replace('?', '%3F').replace('=', '%3D')}"
    assert messages_of(response) == [
        f"Your decision on scan {answered.pk} was not recorded. Log in: it is kept as a draft."
    ]
    assert not Review.objects.exists()
    client.force_login(rita)
    assert ">Only atelectasis</textarea>" in client.get(back).content.decode()


def test_a_decision_sent_in_an_idle_session_is_kept(client, rita, answered):
    client.force_login(rita)
    client.get("/")
    session = client.session
    session[LAST_SEEN] -= 24 * 3600
    session.save()
    response = decide(client, answered, rita)
    assert response["Location"].startswith("/accounts/login/?next=/cases/")
    assert ReviewDraft.objects.get().reason == "Only atelectasis"
    assert not Review.objects.exists()


def test_the_script_of_a_page_without_a_session_learns_where_to_log_in(client, rita, answered):
    response = decide(client, answered, rita, Accept="application/json")
    assert response.status_code == 401
    assert response.json()["next"] == f"/cases/{answered.case_id}/read/?scan={answered.pk}"
    assert ReviewDraft.objects.exists()


def test_a_confirmation_sent_without_a_session_keeps_its_label(client, rita, answered):
    sent = {"page": page(answered, rita), "confirm": "covid"}
    client.post(reverse("scan-review", args=[answered.pk]), sent)
    assert ReviewDraft.objects.get().label == "covid"


def test_a_forged_form_without_a_session_leaves_nothing_behind(client, answered):
    response = client.post(reverse("scan-review", args=[answered.pk]), {"page": "forged", **BEGUN})
    assert response.status_code == 302
    assert not ReviewDraft.objects.exists()


def test_a_decision_is_still_refused_from_another_machines_page(rita, answered):
    client = Client(enforce_csrf_checks=True)
    client.force_login(rita)
    response = client.post(reverse("scan-review", args=[answered.pk]), {"page": "forged", **BEGUN})
    assert response.status_code == 403
    assert not Review.objects.exists()
    assert not ReviewDraft.objects.exists()
