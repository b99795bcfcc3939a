"""Monitoring, as a manager sees it: alarms, figures, drawings with their tables, and each table for a spreadsheet."""

import csv
import io
import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import Membership
from cases.models import Label, Scan
from inference.models import Prediction
from tests.cast import answer, make_case, make_patient, make_person, make_scan

pytestmark = pytest.mark.django_db

MOST_QUERIES = 40
OFFERED = {"models", "series", "missed", "drift", "alarms"}  # of one reader and no reference there is no more to take
TABLES = ["models", "series", "missed", "drift", "drift_bins", "readers", "alarms"]


def text(response):
    return response.content.decode()


def table(response):
    return list(csv.reader(io.StringIO(text(response))))


@pytest.fixture
def missed(model, scan, rita, review):
    """Anna's scan: the model says “unlikely”, Rita finds COVID-19."""
    answer(scan, model, "non_covid", 0.08)
    review(scan, rita, Label.COVID, "Ground glass in both lower lobes.")
    return scan


def test_monitoring_is_for_managers(login, client, cara, rita, max, otto, sue):
    for address in (reverse("monitoring"), reverse("monitoring-table", args=["models"])):
        client.logout()
        assert client.get(address)["Location"].startswith("/accounts/login/")
        for person in (cara, rita):
            assert login(person).get(address).status_code == 403
        for person in (max, otto, sue):
            assert login(person).get(address).status_code == 200


def test_without_figures_the_page_says_when_they_come(login, max):
    page = text(login(max).get(reverse("monitoring")))
    assert "No scan was sent to a model in this time" in page
    assert "nothing was counted in this period" in page


def test_a_missed_infection_is_counted_and_linked(login, max, missed):
    page = text(login(max).get(reverse("monitoring")))
    assert "of 1 that readers found (100.0 %)" in page
    assert reverse("case-detail", args=[missed.case_id]) in page
    assert reverse("prediction-lineage", args=[missed.prediction_id]) in page
    assert "phantom-net 1" in page
    assert "synthetic" not in page


def test_synthetic_scans_are_announced(login, max, missed):
    Scan.objects.filter(pk=missed.pk).update(is_synthetic=True)
    assert "1 of the scans is synthetic" in text(login(max).get(reverse("monitoring")))


def test_what_happened_elsewhere_or_at_another_time_does_not_count(login, max, otto, missed):
    assert "No scan was sent" in text(login(otto).get(reverse("monitoring")))
    client = login(max)
    assert "No scan was sent" in text(client.get(reverse("monitoring"), {"until": "2001-01-31"}))
    Prediction.objects.update(queued_at=timezone.now() - timedelta(days=20))
    assert "No scan was sent" in text(client.get(reverse("monitoring"), {"days": 7}))
    assert "1 answered" in text(client.get(reverse("monitoring"), {"days": 30}))


def test_a_site_that_one_does_not_manage_cannot_be_chosen(login, max, south, missed):
    page = text(login(max).get(reverse("monitoring"), {"site": "south"}))
    assert "Select a valid choice" in page
    assert "Radiology South" not in page


def test_a_choice_of_sites_is_offered_where_there_is_one(login, max, south, missed, jonas, model):
    Membership.objects.create(user=max, site=south, role="manager")
    client = login(max)
    assert "Radiology North, Radiology South" in text(client.get(reverse("monitoring")))
    page = text(client.get(reverse("monitoring"), {"site": "south"}))
    assert "No scan was sent" in page


@pytest.mark.parametrize(
    "chosen",
    [
        {"since": "2026-05-02", "until": "2026-05-01"},
        {"since": "yesterday"},
        {"since": "0001-01-01"},
        {"since": "1991-01-01", "until": "2020-01-01"},
        {"until": "9999-12-31", "since": "9999-12-01"},
        {"days": "many"},
        {"days": "-3"},
        {"site": "nowhere"},
    ],
)
def test_a_period_or_site_that_makes_no_sense_is_refused_in_words(login, max, missed, chosen):
    response = login(max).get(reverse("monitoring"), chosen)
    assert response.status_code == 200
    assert response.context["form"].errors
    assert login(max).get(reverse("monitoring-table", args=["models"]), chosen).status_code in (200, 409)


def test_days_are_those_of_the_users_time_zone(login, max, missed):
    """What is asked at 23:30 UTC belongs to the next day in Tokyo."""
    Prediction.objects.update(queued_at="2026-03-01T23:30:00Z")
    client = login(max)
    on_the_first = {"since": "2026-03-01", "until": "2026-03-01"}
    assert "1 answered" in text(client.get(reverse("monitoring"), on_the_first))
    max.timezone = "Asia/Tokyo"
    max.save()
    page = text(client.get(reverse("monitoring"), on_the_first))
    assert "No scan was sent" in page
    assert "Asia/Tokyo" in page


def test_every_drawing_has_its_table_beside_it(login, max, missed):
    page = text(login(max).get(reverse("monitoring")))
    drawn = re.findall(r'data-table="([\w-]+)"', page)
    assert {"table-answers", "table-errors", "table-waits", "table-agreement"} <= set(drawn)
    assert all(f'id="{name}"' in page for name in drawn)
    assert page.count("<canvas") == page.count('role="img"') == len(drawn)


@pytest.mark.parametrize("name", TABLES)
def test_each_table_comes_as_csv_of_the_same_time_and_site(login, max, missed, name):
    chosen = {"days": 7, "site": "north"}
    page = text(login(max).get(reverse("monitoring"), chosen))
    address = reverse("monitoring-table", args=[name])
    assert (f"{address}?days=7&amp;site=north" in page) == (name in OFFERED)
    response = login(max).get(address, chosen)
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"].startswith(f'attachment; filename="monitoring-{name}-')
    assert "no-store" in response["Cache-Control"]
    assert len(table(response)[0]) > 3


def test_there_are_no_other_tables(login, max):
    assert login(max).get(reverse("monitoring-table", args=["passwords"])).status_code == 404


def test_a_name_that_is_a_formula_is_harmless_in_a_spreadsheet(login, max, north, missed, review):
    review(missed, make_person("eve", (north, "reader"), first_name='=HYPERLINK("http://x")'), Label.COVID, "Seen.")
    rows = table(login(max).get(reverse("monitoring-table", args=["readers"])))
    assert any("HYPERLINK" in cell for row in rows for cell in row)
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "@", "+"))]


def test_readers_agreement_is_put_into_words(login, max, rob, missed, review):
    review(missed, rob, Label.NON_COVID, "")
    page = text(login(max).get(reverse("monitoring")))
    assert "Rita and Rob" in page or "Rob and Rita" in page
    assert "Cohen's kappa is the agreement beyond chance" in page


def test_a_manager_who_reads_blinded_is_shown_nothing_of_undecided_scans(
    login, otto, south, jonas, model, review, media
):
    scan = make_scan(make_case(jonas), otto)
    answer(scan, model, "non_covid", 0.08)
    review(scan, make_person("ole", (south, "reader")), Label.COVID, "Ground glass.")
    page = text(login(otto).get(reverse("monitoring")))
    assert reverse("case-detail", args=[scan.case_id]) not in page
    assert "1 scan left out" in page


def test_no_patients_name_or_number_shows(login, max, missed, anna):
    pages = text(login(max).get(reverse("monitoring")))
    pages += "".join(text(login(max).get(reverse("monitoring-table", args=[name]))) for name in TABLES)
    assert anna.name not in pages
    assert anna.record_number not in pages


def test_the_page_asks_the_database_little(
    login, max, north, cara, rita, model, missed, review, django_assert_max_num_queries
):
    for _ in range(4):
        other = make_scan(make_case(make_patient(north)), cara)
        answer(other, model, "non_covid", 0.1)
        review(other, rita, Label.COVID, "Seen.")
    client = login(max)
    with django_assert_max_num_queries(MOST_QUERIES):
        client.get(reverse("monitoring"))


def test_the_bar_leads_managers_there(login, max, cara):
    assert 'data-shortcut="g i"' in text(login(max).get(reverse("help")))
    assert 'data-shortcut="g i"' not in text(login(cara).get(reverse("help")))
