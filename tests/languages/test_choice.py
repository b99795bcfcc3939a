"""The language goes by profile, then site, then browser; the zone by profile, then site, then installation."""

import re
from datetime import UTC, datetime

import pytest
from django.core import mail
from django.utils import timezone, translation

from accounts import formatting
from accounts.language import language_of, zone_of
from accounts.mails import notify, send_reset_link
from accounts.membership import set_language_and_zone
from accounts.models import Event, Language
from accounts.stored_words import said_again
from cases.models import Case

pytestmark = pytest.mark.django_db


def page(client, address="/", browser="en"):
    return client.get(address, headers={"Accept-Language": browser}).content.decode()


def language_in(page_words):
    found = re.search(r'<html lang="([\w-]+)"', page_words)
    assert found
    return found[1]


def test_a_visitor_is_answered_in_the_language_of_the_browser(client):
    words = page(client, "/accounts/login/", "fr-CH, fr;q=0.9, en;q=0.8")
    assert language_in(words) == "fr"
    assert "Se connecter" in words


def test_a_language_that_the_portal_does_not_speak_is_answered_in_english(client):
    words = page(client, "/accounts/login/", "ja")
    assert language_in(words) == "en"
    assert "Log in" in words


def test_the_site_goes_before_the_browser_and_the_profile_before_the_site(login, cara, north):
    client = login(cara)
    assert language_in(page(client, browser="es")) == "es"
    north.language = Language.FRENCH
    north.save()
    assert language_in(page(client, browser="es")) == "fr"
    cara.language = Language.GERMAN
    cara.save()
    words = page(client, browser="es")
    assert language_in(words) == "de"
    assert "Arbeitsliste" in words


def test_sites_that_differ_leave_the_language_to_the_browser(login, cara, north, south):
    south.memberships.create(user=cara, role="clinician")
    for site, language in ((north, "fr"), (south, "de")):
        site.language = language
        site.save()
    assert language_in(page(login(cara), browser="es")) == "es"


def test_the_profile_keeps_the_language(login, cara):
    client = login(cara)
    client.post("/profile/", {"first_name": "Cara", "language": "de", "timezone": "", "theme": "auto"})
    cara.refresh_from_db()
    assert cara.language == "de"
    assert "Ihr Profil ist gespeichert." in page(client)


def test_a_manager_chooses_language_and_zone_of_the_site_on_the_record(login, max, north):
    login(max).post("/members/language/", {"site": north.slug, "language": "de", "time_zone": "Europe/Vienna"})
    north.refresh_from_db()
    assert (north.language, north.time_zone) == ("de", "Europe/Vienna")
    event = Event.objects.filter(action="site_changed").latest("pk")
    assert event.details == {"language": "de", "time_zone": "Europe/Vienna"}


@pytest.mark.parametrize("who", ["cara", "rita"])
def test_nobody_but_a_manager_chooses_for_the_site(request, login, north, who):
    client = login(request.getfixturevalue(who))
    answer = client.post("/members/language/", {"site": north.slug, "language": "de", "time_zone": ""})
    north.refresh_from_db()
    assert answer.status_code == 403
    assert north.language == ""


def test_a_manager_of_another_site_does_not_find_this_one(login, otto, north):
    answer = login(otto).post("/members/language/", {"site": north.slug, "language": "de", "time_zone": ""})
    assert answer.status_code == 404


@pytest.mark.parametrize(
    "chosen", [{"language": "tlh", "time_zone": ""}, {"language": "", "time_zone": "Mars/Olympus"}]
)
def test_an_unknown_language_or_zone_changes_nothing(login, max, north, chosen):
    answer = login(max).post("/members/language/", {"site": north.slug, **chosen})
    north.refresh_from_db()
    assert answer.status_code == 422
    assert (north.language, north.time_zone) == ("", "")


def test_choosing_the_same_again_is_no_event(max, north):
    for _time in range(2):
        set_language_and_zone(site=north, user=max, language="fr", zone="")
    assert Event.objects.filter(action="site_changed").count() == 1


def test_a_program_is_answered_in_the_language_that_it_asks_for(client, cara):
    cara.language = "de"
    cara.save()
    client.force_login(cara)
    assert client.get("/api/v1/cases/9999/").json()["title"] == "Nicht gefunden"
    french = client.get("/api/v1/cases/9999/", headers={"Accept-Language": "fr"}).json()
    assert french["title"] == "Introuvable"


def test_a_token_without_a_wish_is_answered_in_the_language_of_its_owner(client, cara):
    from accounts.tokens import issue_token

    cara.language = "es"
    cara.save()
    secret = issue_token(user=cara, name="PACS", scopes=["read"], days=1)[1]
    answer = client.get("/api/v1/cases/9999/", headers={"Authorization": f"Bearer {secret}"})
    assert answer.json()["title"] == "No encontrado"


def test_codes_of_the_api_stay_as_they_are(client, cara, case):
    cara.language = "de"
    cara.save()
    client.force_login(cara)
    found = client.get(f"/api/v1/cases/{case.pk}/").json()
    assert (found["status"], found["priority"]) == (case.status, case.priority)


def test_mails_are_written_in_the_language_and_zone_of_who_gets_them(cara, worker):
    cara.language, cara.timezone = "de", "Asia/Tokyo"
    cara.save()
    with translation.override("fr"), worker():
        notify(cara, "password_changed")
    (sent,) = mail.outbox
    assert sent.subject == "Ihr Passwort für ctportal wurde geändert"
    assert "Asia/Tokyo" in sent.body or "JST" in sent.body


def test_the_link_for_a_new_password_speaks_the_language_of_the_page_where_none_was_chosen(cara):
    send_reset_link(cara.email, "es")
    assert mail.outbox[0].subject == "Elija una contraseña nueva para ctportal"


def test_the_zone_goes_by_profile_site_and_installation(settings, cara, north):
    settings.TIME_ZONE = "Europe/London"
    assert zone_of(cara).key == "Europe/London"
    north.time_zone = "America/Bogota"
    north.save()
    again = type(cara).objects.get(pk=cara.pk)
    assert zone_of(again).key == "America/Bogota"
    again.timezone = "Asia/Tokyo"
    assert zone_of(again).key == "Asia/Tokyo"


def test_times_and_the_days_of_the_worklist_are_in_the_zone_of_the_site(login, cara, north, case):
    """Half past eleven at night in London is the next day in Vienna, in the row as in the filter."""
    north.time_zone = "Europe/Vienna"
    north.save()
    Case.objects.filter(pk=case.pk).update(created_at=datetime(2026, 3, 4, 23, 30, tzinfo=UTC))
    client = login(cara)
    listed = page(client, "/?opened_from=2026-03-05&opened_to=2026-03-05&status=any")
    assert f"case-{case.pk}" in listed
    assert "5 Mar" in listed
    assert "Times in Europe/Vienna" in listed
    assert f'id="case-{case.pk}"' not in page(client, "/?opened_to=2026-03-04&status=any")


def test_numbers_and_days_are_written_as_the_language_writes_them():
    day = datetime(2026, 3, 5, 12, tzinfo=UTC)
    with translation.override("de"), timezone.override(UTC):
        from ctportal.pages.templatetags.portal import when

        assert formatting.share(0.8444) == "84,4 %"
        assert formatting.whole(1204) == "1.204"
        assert formatting.scans(1) == "1 Scan"
        assert "5. März 2026" in when(day, "DATE_FORMAT")
    assert formatting.share(0.8444) == "84.4 %"
    assert formatting.whole(1204) == "1,204"


def test_stored_sentences_are_said_again_with_what_was_filled_in():
    with translation.override("de"):
        assert said_again("Joined from scans 4, 5: sent twice") == "Verbunden aus den Scans 4, 5: sent twice"
        assert said_again("3 slices seem to be missing within the series.") == (
            "3 Schichten scheinen innerhalb der Serie zu fehlen."
        )
        assert said_again("The DICOM image is an MR image, not a CT.") == "Das DICOM-Bild ist ein MR-Bild, kein CT."
        assert said_again("Belongs to another patient.") == "Belongs to another patient."
    assert said_again("Joined from scans 4, 5: sent twice") == "Joined from scans 4, 5: sent twice"


def test_a_label_inside_a_german_sentence_keeps_its_capital():
    from accounts.wording import in_sentence

    assert in_sentence("Reader") == "reader"
    with translation.override("de"):
        assert in_sentence("Befunder") == "Befunder"


def test_the_texts_of_the_scripts_have_an_address_of_their_own_that_may_be_kept(client):
    words = page(client, "/accounts/login/", "de")
    address = re.search(r'src="(/texts/de\.\w+\.js)"', words)
    assert address
    texts = client.get(address[1])
    assert "Entscheidung festhalten" in texts.content.decode()
    assert "immutable" in texts["Cache-Control"]
    assert "/texts/" not in page(client, "/accounts/login/", "en")


def test_another_language_or_an_older_state_of_the_texts_is_not_there(client):
    assert client.get("/texts/xx.000000000000.js").status_code == 404
    assert client.get("/texts/de.000000000000.js").status_code == 404


def test_who_has_no_site_is_left_to_browser_and_installation(settings, sue):
    settings.TIME_ZONE = "UTC"
    assert (language_of(sue), zone_of(sue).key) == ("", "UTC")
