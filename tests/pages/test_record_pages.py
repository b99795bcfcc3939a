"""The labelled set, events, profile, members, models and the administration, as pages."""

import io
import zipfile
from datetime import timedelta

import pytest
from django.contrib import admin
from django.urls import reverse
from django.utils import timezone

from accounts.models import Action, ApiToken, Event, Membership
from cases.models import Scan
from monitoring.card.figures import card_lines, figure_lines
from tests.cast import PASSWORD, answer, make_case, make_person, make_scan

MOST_QUERIES = 15


def text(response):
    return response.content.decode()


# --- labelled set ---


def test_the_labelled_set_says_what_is_in_and_why_not(login, max, rita, answered, review):
    page = text(login(max).get(reverse("labels")))
    assert "No reader has decided yet" in page
    review(answered, rita)
    page = text(login(max).get(reverse("labels")))
    assert "Export 1 scan" in page
    assert "Single reader" in page


@pytest.mark.parametrize("name", ["labels", "events", "members"])
def test_managers_pages_are_for_managers(login, client, cara, rita, name):
    assert client.get(reverse(name)).status_code == 302
    for person in (cara, rita):
        assert login(person).get(reverse(name)).status_code == 403


@pytest.mark.parametrize("name", ["labels", "events", "members", "models", "profile"])
def test_pages_ask_the_database_little(login, max, rita, answered, review, name, django_assert_max_num_queries):
    review(answered, rita)
    client = login(max)
    with django_assert_max_num_queries(MOST_QUERIES):
        assert client.get(reverse(name)).status_code == 200


def test_the_labelled_set_is_filtered(login, max, answered):
    client = login(max)
    assert "Scan " in text(client.get(reverse("labels"), {"standing": "unreviewed", "agreement": "unreviewed"}))
    for filters in ({"label": "covid"}, {"standing": "included"}, {"site": "north", "standing": "withdrawn"}):
        assert "Nothing fits these filters" in text(client.get(reverse("labels"), filters))
    assert client.get(reverse("labels"), {"site": "elsewhere", "page": "x"}).status_code == 200


def test_the_export_is_a_zip_whose_length_is_known(login, max, rita, answered, review):
    review(answered, rita)
    response = login(max).post(reverse("labels-export"))
    data = b"".join(response.streaming_content)
    assert response["Content-Length"] == str(len(data))
    assert response["Content-Disposition"].startswith('attachment; filename="labelled-set-')
    assert "manifest.csv" in zipfile.ZipFile(io.BytesIO(data)).namelist()


def test_the_export_follows_the_filters_and_refuses_nothing(login, max, rita, answered, review):
    review(answered, rita)
    assert login(max).post(reverse("labels-export"), {"label": "non_covid"}).status_code == 409


def test_the_export_is_for_managers(login, client, rita, answered):
    assert client.post(reverse("labels-export")).status_code == 302
    assert login(rita).post(reverse("labels-export")).status_code == 403
    assert login(rita).get(reverse("labels-export")).status_code == 405


def test_the_labelled_set_of_another_site_does_not_show(login, otto, rita, answered, review):
    review(answered, rita)
    page = text(login(otto).get(reverse("labels")))
    assert "Radiology North" not in page
    assert login(otto).post(reverse("labels-export")).status_code == 409


def test_a_blinded_reader_who_manages_sees_no_label_before_deciding(login, otto, south, jonas, model, review, media):
    scan = make_scan(make_case(jonas), otto)
    answer(scan, model)
    review(scan, make_person("ole", (south, "reader")))
    client = login(otto)
    assert "Hidden until you decide" in text(client.get(reverse("labels")))
    events = text(client.get(reverse("events"), {"action": "review_recorded"}))
    assert "No event fits" in events


# --- events ---


def test_events_are_put_into_words_and_filtered(login, max, rita, answered, review):
    review(answered, rita)
    client = login(max)
    page = text(client.get(reverse("events")))
    assert "Reviewed a scan" in page
    assert f"Scan {answered.pk}: COVID-19" in page
    case = answered.case_id
    for filters, number in (
        ({"action": "review_recorded"}, 1),
        ({"action": "review_recorded", "person": "rit"}, 1),
        ({"action": "review_recorded", "person": "cara"}, 0),
        ({"action": "review_recorded", "case": case}, 1),
        ({"case": case + 1}, 0),
        ({"action": "review_recorded", "until": "2001-01-01"}, 0),
        ({"action": "review_recorded", "since": "2001-01-01"}, 1),
    ):
        assert client.get(reverse("events"), filters).context["page"].paginator.count == number, filters
    assert client.get(reverse("events"), {"case": "x", "since": "y", "page": "z"}).status_code == 200


def test_events_of_another_site_do_not_show(login, otto, rita, answered, review):
    review(answered, rita)
    assert "Reviewed a scan" not in text(login(otto).get(reverse("events"))).split("</form>")[-1]


def test_every_kind_of_event_has_words(login, max, north):
    for action in Action:
        Event.objects.create(actor=max, site=north, action=action, case_id=1)
    assert login(max).get(reverse("events")).status_code == 200


# --- profile and tokens ---


def test_a_person_sets_name_zone_and_theme(login, rita):
    facts = {"first_name": "Rita", "last_name": "Okafor", "timezone": "Asia/Tokyo"}
    assert login(rita).post(reverse("profile"), {**facts, "theme": "dark"}).status_code == 302
    rita.refresh_from_db()
    assert (rita.last_name, rita.timezone, rita.theme) == ("Okafor", "Asia/Tokyo", "dark")


def test_an_unknown_zone_is_refused(login, rita):
    facts = {"timezone": "Mars/Olympus", "theme": "dark"}
    assert login(rita).post(reverse("profile"), facts).status_code == 422


@pytest.fixture
def confirmed(login):
    """confirmed(cara): her browser, in which she has just entered her password once more."""

    def confirm(person):
        client = login(person)
        client.post("/accounts/reauthenticate/", {"password": PASSWORD})
        return client

    return confirm


def test_the_secret_of_a_token_is_shown_once(confirmed, cara):
    client = confirmed(cara)
    response = client.post(reverse("token-issue"), {"name": "PACS", "scopes": ["read", "upload"], "days": 30})
    secret = response.context["secret"]
    assert secret in text(response)
    assert "no-store" in response["Cache-Control"]
    page = text(client.get(reverse("profile")))
    assert secret not in page
    assert "PACS" in page


def test_a_token_beyond_ones_rights_or_time_is_refused(confirmed, cara, settings):
    client = confirmed(cara)
    for fields in ({"scopes": ["review"], "days": 30}, {"scopes": ["read"], "days": settings.API_TOKEN_MAX_DAYS + 1}):
        assert client.post(reverse("token-issue"), {"name": "x", **fields}).status_code == 422
    assert not ApiToken.objects.exists()


def test_a_token_is_revoked_by_its_owner_alone(login, confirmed, cara, rita):
    confirmed(cara).post(reverse("token-issue"), {"name": "x", "scopes": ["read"], "days": 1})
    token = ApiToken.objects.get()
    revoke = reverse("token-revoke", args=[token.pk])
    assert login(rita).post(revoke).status_code == 404
    assert login(cara).post(revoke).status_code == 302
    assert not ApiToken.objects.usable().exists()


@pytest.mark.parametrize("name", ["profile", "models", "token-issue"])
def test_a_visitor_logs_in_first(client, db, name):
    assert client.post(reverse(name)).status_code == 302


def test_a_person_without_a_site_is_offered_no_token(login, north):
    page = text(login(make_person("new")).get(reverse("profile")))
    assert "You belong to no site" in page


# --- members ---


def test_a_manager_adds_and_removes_members(login, max, north, otto):
    client = login(max)
    assert (
        client.post(reverse("member-add"), {"site": "north", "username": "otto", "role": "reader"}).status_code == 302
    )
    membership = Membership.objects.get(site=north, user=otto)
    assert "Otto" in text(client.get(reverse("members")))
    assert client.post(reverse("member-remove", args=[membership.pk])).status_code == 302
    assert not Membership.objects.filter(site=north, user=otto).exists()


def test_an_unknown_user_name_is_a_form_error(login, max):
    response = login(max).post(reverse("member-add"), {"site": "north", "username": "who", "role": "reader"})
    assert response.status_code == 422
    assert "active account" in text(response)


def test_the_last_manager_stays(login, max):
    assert login(max).post(reverse("member-remove", args=[max.memberships.get().pk])).status_code == 409


def test_the_site_is_switched_to_blinded_reads(login, max, north):
    assert login(max).post(reverse("site-reads"), {"site": "north", "blinded": "on"}).status_code == 302
    north.refresh_from_db()
    assert north.blinded_reads


def test_members_of_other_sites_are_out_of_reach(login, client, rita, max, otto, north, south):
    remove = reverse("member-remove", args=[max.memberships.get().pk])
    add = {"username": "rita", "role": "manager"}
    for url, fields in ((reverse("member-add"), add), (reverse("site-reads"), {}), (remove, {})):
        client.logout()
        assert client.post(url, {"site": "north", **fields}).status_code == 302
        assert login(otto).post(url, {"site": "north", **fields}).status_code == 404
        assert login(rita).post(url, {"site": "north", **fields}).status_code == 403
    assert login(otto).get(reverse("members"), {"site": "north"}).status_code == 404


# --- models ---


def test_without_models_the_page_says_what_to_do(login, cara):
    assert "No model yet" in text(login(cara).get(reverse("models")))


@pytest.mark.parametrize("odd", [None, [], "x", {}, {"a": {"false_negatives": "many"}}, {"a": [1, 2]}])
def test_figures_of_any_shape_do_not_break_the_page(odd):
    assert figure_lines(odd) == []
    assert isinstance(card_lines(odd), list)


# --- administration ---


def test_the_administration_shows_everything_and_writes_nothing_of_the_programs(login, sue, answered, rita, review):
    review(answered, rita)
    client = login(sue)
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        assert client.get(reverse(f"{name}_changelist")).status_code == 200, name
        if model._meta.app_label in ("cases", "inference"):
            assert client.get(reverse(f"{name}_add")).status_code == 403
            row = model._default_manager.first()
            assert client.get(reverse(f"{name}_change", args=[row.pk])).status_code == 200, name
            assert client.post(reverse(f"{name}_change", args=[row.pk]), {}).status_code == 403
            assert client.post(reverse(f"{name}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
    assert Scan.objects.filter(pk=answered.pk).exists()


def test_a_token_that_serves_is_in_reach_however_many_were_revoked(login, cara):
    expires_at = timezone.now() + timedelta(days=1)
    serving, _ = ApiToken.objects.issue(user=cara, name="serving", scopes=["read"], expires_at=expires_at)
    for number in range(51):
        ApiToken.objects.issue(user=cara, name=f"old {number}", scopes=["read"], expires_at=expires_at)[0].revoke()

    assert reverse("token-revoke", args=[serving.pk]) in login(cara).get("/profile/").content.decode()
