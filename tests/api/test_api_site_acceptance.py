"""Site acceptance over the API: read, accept, decline and take back; and what each answer says of its judge."""

import pytest
from django.utils import timezone

from inference.models import Prediction
from monitoring.acceptance.decisions import accept
from monitoring.acceptance.state import site_model
from tests.api.calls import problem
from tests.monitoring.acceptance_cast import Hospital, thresholds
from tests.monitoring.conftest import make_model

pytestmark = pytest.mark.django_db


@pytest.fixture
def hospital(north):
    return Hospital(north, make_model("3", "active", thresholds=thresholds()), timezone.now())


@pytest.fixture
def url(hospital):
    return f"/api/v1/models/{hospital.model.pk}/sites/north/acceptance/"


def test_a_manager_reads_what_is_missing(api, max, hospital, url):
    hospital.fill(infected=4, others=16)

    body = api(max).get(url).json()

    assert (body["site"], body["stage"], body["in_force"], body["proposal"]) == ("north", "collecting", None, None)
    assert (body["evidence"]["scans"], body["evidence"]["infected"]) == (20, 4)
    assert body["missing"][0] == "20 of 60 decided scans."
    assert body["figures"]["sensitivity"]["whole"] == 4


def test_from_the_proposal_to_the_accepted_point_and_back(api, max, hospital, url):
    hospital.fill()
    client = api(max)
    proposal = client.get(url).json()["proposal"]

    sent = {"key": proposal["key"], "reason": "As measured."}
    accepted = client.post(f"{url}accept/", sent, format="json").json()

    assert (accepted["stage"], accepted["in_force"]) == ("accepted", 1)
    (decision,) = accepted["decisions"]
    assert (decision["choice"], decision["decided_by"], decision["reason"]) == ("accepted", "max", "As measured.")
    assert decision["operating_point"] == pytest.approx(proposal["point"]["operating_point"])

    back = client.post(f"{url}revert/", {"number": 1, "reason": "It missed one."}, format="json").json()
    assert (back["in_force"], [each["choice"] for each in back["decisions"]]) == (None, ["reverted", "accepted"])


def test_a_declined_proposal_is_on_record(api, max, hospital, url):
    hospital.fill()
    client = api(max)
    key = client.get(url).json()["proposal"]["key"]

    body = client.post(f"{url}decline/", {"key": key, "reason": "A new scanner."}, format="json").json()

    assert (body["stage"], body["in_force"], len(body["decisions"])) == ("declined", None, 1)


def test_an_outdated_key_is_a_conflict(api, max, hospital, url):
    hospital.fill()

    response = api(max).post(f"{url}accept/", {"key": "0-old", "reason": "Good."}, format="json")

    assert "look again" in problem(response, 409, "wrong-state")["detail"]


def test_a_candidate_has_no_acceptance(api, max, hospital):
    candidate = make_model("4")

    assert api(max).get(f"/api/v1/models/{candidate.pk}/sites/north/acceptance/").status_code == 404


def test_an_answer_says_what_it_claims_and_what_judged_it(api, rita, max, hospital):
    hospital.fill()
    found = site_model(max, site=hospital.site, model=hospital.model)
    row = accept(site=hospital.site, model=hospital.model, user=max, seen=found.key, reason="Good.")
    old = hospital.scan(0.3).prediction_id
    new = hospital.scan(0.7).prediction_id
    Prediction.objects.filter(pk=new).update(site_point=row)

    before, after = (api(rita).get(f"/api/v1/predictions/{pk}/").json() for pk in (old, new))

    assert before["claim"]["code"] == "opacities_as_in_covid19_pneumonia"
    assert "fibrosis" in before["claim"]["look_alikes"]
    assert (before["judged_by"]["source"], before["judged_by"]["decision"]) == ("model", None)
    assert before["judged_by"]["operating_point"] == 0.5
    assert (after["judged_by"]["source"], after["judged_by"]["decision"]) == ("site", 1)
    assert after["judged_by"]["operating_point"] == pytest.approx(row.operating_point)
    assert after["validation"]["is_validated"]


def test_an_answer_says_that_its_model_is_not_validated_here(api, rita, hospital):
    hospital.decide(0.8)
    pk = hospital.scan(0.3).prediction_id

    body = api(rita).get(f"/api/v1/predictions/{pk}/").json()["validation"]

    assert body["words"] == "Not yet validated at this site: 1 of 60 decided scans."
    assert (body["decided"], body["needed"], body["is_validated"]) == (1, 60, False)


def test_predictions_are_found_by_their_suitability(api, rita, hospital):
    unlike = hospital.scan(0.7, state="unlike_training").prediction_id
    like = hospital.scan(0.7).prediction_id
    older = hospital.scan(0.7, state="unsuitable").prediction_id
    Prediction.objects.filter(pk=older).update(suitability_state="")
    found = {
        state: [row["id"] for row in api(rita).get(f"/api/v1/predictions/?suitability_state={state}").json()["results"]]
        for state in ("suitable", "unlike_training", "unsuitable")
    }

    assert found == {"suitable": [like], "unlike_training": [unlike], "unsuitable": [older]}


def test_a_blinded_reader_learns_nothing_of_an_answer_by_its_suitability(api, south, otto):
    hospital = Hospital(south, make_model("5", "active", thresholds=thresholds()), timezone.now())
    pk = hospital.scan(0.7, state="unlike_training").prediction_id

    body = api(otto).get(f"/api/v1/predictions/{pk}/").json()

    assert (body["suitability_state"], body["judged_by"], body["raw_probability"]) == (None, None, None)
    assert api(otto).get("/api/v1/predictions/?suitability_state=unlike_training").json()["results"] == []


def test_an_answer_says_whether_its_maps_are_shown_unasked(api, rita, hospital):
    hospital.model.card = {"maps": {"shown_by_default": False, "reason": "They point at disease by chance alone."}}
    hospital.model.save()
    pk = hospital.scan(0.7).prediction_id

    body = api(rita).get(f"/api/v1/predictions/{pk}/").json()["maps"]

    assert body == {"is_held_back": True, "reason": "They point at disease by chance alone."}
