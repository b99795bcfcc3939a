"""At a blinded site a reader decides before the model's answer shows: nowhere in the API, until then."""

import re

import pytest

from accounts.models import Membership, Site
from cases.casework import close_case
from cases.models import Case, Scan
from cases.reviews import hidden_scan_ids, hidden_scans
from tests.api.calls import problem
from tests.cast import answer, make_case, make_person, make_scan


@pytest.fixture
def orla(south):
    """Provides a reader of South, and nothing else."""
    return make_person("orla", (south, "reader"))


@pytest.fixture
def hidden(otto, jonas, model, media):
    scan = make_scan(make_case(jonas), otto)
    answer(scan, model, "covid", 0.93)
    return scan


def addresses(scan):
    slice_, prediction = scan.slices.get(), scan.predictions.get()
    return [
        "/api/v1/cases/",
        f"/api/v1/cases/{scan.case_id}/",
        "/api/v1/scans/",
        f"/api/v1/scans/{scan.pk}/",
        "/api/v1/predictions/",
        f"/api/v1/predictions/{prediction.pk}/",
        "/api/v1/reviews/",
        f"/api/v1/slices/{slice_.pk}/",
    ]


def test_no_answer_shows_before_the_decision(api, orla, hidden):
    client = api(orla)
    for address in addresses(hidden):
        text = client.get(address).content.decode()
        assert not re.search(r"(?<!\d)0\.93", text), address  # 10:00:00.934544Z is a time
        assert '"covid"' not in text, address
        assert "likely" not in text, address


def test_it_says_that_there_is_an_answer_to_come(api, orla, hidden):
    body = api(orla).get(f"/api/v1/scans/{hidden.pk}/").json()["prediction"]

    assert (body["status"], body["answer_hidden"], body["decision"]) == ("done", True, None)


def test_the_map_is_refused_before_the_decision(api, orla, hidden):
    problem(api(orla).get(f"/api/v1/slices/{hidden.slices.get().pk}/map/"), 403, "forbidden")


def test_the_answer_shows_after_the_decision(api, orla, hidden):
    client = api(orla)
    sent = client.post(f"/api/v1/scans/{hidden.pk}/reviews/", {"label": "non_covid"})

    assert sent.status_code == 201
    assert (sent.json()["was_blinded"], sent.json()["model_decision"]) == (True, "covid")
    assert client.get(f"/api/v1/scans/{hidden.pk}/").json()["prediction"]["probability"] == 0.93
    assert client.get(f"/api/v1/cases/{hidden.case_id}/").json()["decision"] == "covid"
    assert client.get(f"/api/v1/slices/{hidden.slices.get().pk}/map/").status_code == 200


def test_a_colleagues_review_is_not_there_before_the_decision(api, orla, otto, hidden, review):
    colleagues = review(hidden, otto, "non_covid", "The model is wrong: no opacity.")
    client = api(orla)

    assert client.get("/api/v1/reviews/").json()["results"] == []
    problem(client.get(f"/api/v1/reviews/{colleagues.pk}/"), 404, "not-found")

    review(hidden, orla, "non_covid")

    assert client.get(f"/api/v1/reviews/{colleagues.pk}/").json()["label"] == "non_covid"


def test_what_colleagues_decided_shows_nowhere_before_the_decision(api, orla, otto, hidden, review):
    review(hidden, otto, "non_covid", "No opacity.")
    client = api(orla)

    assert client.get(f"/api/v1/scans/{hidden.pk}/").json()["final_label"] is None
    assert client.get(f"/api/v1/cases/{hidden.case_id}/").json()["final_label"] is None
    assert client.get("/api/v1/cases/?final_label=non_covid").json()["results"] == []
    assert client.get("/api/v1/reviews/?label=non_covid").json()["results"] == []

    review(hidden, orla, "non_covid")

    assert client.get(f"/api/v1/scans/{hidden.pk}/").json()["final_label"] == "non_covid"
    assert len(client.get("/api/v1/reviews/?label=non_covid").json()["results"]) == 2


def test_a_manager_who_reads_too_sees_no_label_before_the_decision(api, orla, otto, south, hidden, review):
    Membership.objects.create(user=orla, site=south, role="manager")
    review(hidden, otto, "non_covid", "No opacity.")

    (row,) = api(orla).get("/api/v1/labels/").json()["results"]

    assert (row["scan"], row["label"], row["agreement"], row["standing"]) == (hidden.pk, None, None, "hidden")


@pytest.mark.parametrize("state", ["undecided", "decided", "closed", "unblinded"])
def test_the_rule_and_its_query_say_the_same(orla, otto, hidden, review, state):
    if state == "decided":
        review(hidden, orla, "covid")
    if state == "closed":
        review(hidden, otto, "covid")
        close_case(case=hidden.case, user=otto)
    if state == "unblinded":
        Site.objects.update(blinded_reads=False)
    scan = Scan.objects.select_related("case__patient__site").get(pk=hidden.pk)

    hidden_now = hidden_scan_ids(orla, [scan])

    assert hidden_now == set(hidden_scans(orla).values_list("pk", flat=True))
    assert hidden_now == ({scan.pk} if state == "undecided" else set())


def test_a_filter_does_not_betray_the_answer(api, orla, hidden):
    assert api(orla).get("/api/v1/cases/?decision=covid").json()["results"] == []


def test_the_order_does_not_betray_the_answer(api, orla, otto, jonas, model, hidden):
    clear = make_scan(make_case(jonas), otto)
    answer(clear, model, "non_covid", 0.02)
    pressing = make_scan(make_case(jonas), otto)
    answer(pressing, model, "covid", 0.99)

    rows = api(orla).get("/api/v1/cases/").json()["results"]

    assert [row["id"] for row in rows] == list(Case.objects.order_by("created_at").values_list("pk", flat=True))


def test_a_clinician_of_the_site_sees_the_answer(api, south, hidden):
    cleo = make_person("cleo", (south, "clinician"))

    assert api(cleo).get(f"/api/v1/scans/{hidden.pk}/").json()["prediction"]["decision"] == "covid"
