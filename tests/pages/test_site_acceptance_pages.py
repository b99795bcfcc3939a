"""Tests the pages of site acceptance, and what is shown beside each answer."""

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import Site
from inference.models import Prediction, SiteAcceptance
from monitoring.acceptance.decisions import accept
from monitoring.acceptance.state import site_model
from tests.cast import make_scan
from tests.monitoring.acceptance_cast import Hospital, thresholds
from tests.monitoring.conftest import make_model

pytestmark = pytest.mark.django_db
CLAIM = "opacities as in COVID-19 pneumonia"
LOOK_ALIKES = "Other pneumonias, fibrosis, oedema and tumours can look alike"


@pytest.fixture
def hospital(north):
    return Hospital(north, make_model("3", "active", thresholds=thresholds()), timezone.now())


@pytest.fixture
def page(hospital):
    return reverse("site-acceptance", args=[hospital.model.pk, "north"])


def text(response):
    return " ".join(response.content.decode().split())


def accepted(hospital, user):
    found = site_model(user, site=hospital.site, model=hospital.model)
    return accept(site=hospital.site, model=hospital.model, user=user, seen=found.key, reason="Good.")


def test_the_page_says_what_is_missing_and_offers_nothing(login, max, hospital, page):
    hospital.fill(infected=4, others=16)

    shown = text(login(max).get(page))

    assert "20 of 60 decided scans." in shown
    assert "4 of 20 decided scans with COVID-19." in shown
    assert "Accept the operating point" not in shown


def test_the_page_shows_the_figures_now_and_proposed_and_records_the_decision(login, max, hospital, page):
    hospital.fill()
    client = login(max)
    shown = client.get(page)
    assert "Proposed" in text(shown)
    assert "0 of 25 (0 %; 0 % to 14 %)" in text(shown)

    sent = {"seen": shown.context["found"].key, "reason": "As measured."}
    after = client.post(reverse("site-acceptance-accept", args=[hospital.model.pk, "north"]), sent, follow=True)

    assert "Validated at this site" in text(after)
    assert "As measured." in text(after)
    assert SiteAcceptance.objects.get().choice == "accepted"


def test_an_accepted_point_is_taken_back_on_the_page(login, max, hospital, page):
    hospital.fill()
    accepted(hospital, max)
    client = login(max)
    assert "Take the operating point back" in text(client.get(page))

    sent = {"seen": "1", "reason": "It missed one."}
    after = client.post(reverse("site-acceptance-revert", args=[hospital.model.pk, "north"]), sent, follow=True)

    assert "It missed one." in text(after)
    assert "Take the operating point back" not in text(after)


def test_a_decline_is_recorded_and_an_outdated_page_refused(login, max, hospital, page):
    hospital.fill()
    client = login(max)
    key = client.get(page).context["found"].key
    address = reverse("site-acceptance-decline", args=[hospital.model.pk, "north"])

    assert client.post(address, {"seen": "0-old", "reason": "No."}).status_code == 409
    assert "No." in text(client.post(address, {"seen": key, "reason": "No."}, follow=True))


def test_the_list_names_the_sites_that_the_manager_manages(login, max, hospital, south):
    shown = text(login(max).get(reverse("site-acceptances")))

    assert "Radiology North" in shown
    assert "Radiology South" not in shown


def test_a_candidate_has_no_such_page(login, max, north):
    candidate = make_model("4")

    assert login(max).get(reverse("site-acceptance", args=[candidate.pk, "north"])).status_code == 404


def test_figures_of_unblinded_decisions_are_shown_apart(login, max, hospital, page):
    hospital.decide(0.8, blinded=False)

    shown = text(login(max).get(page))

    assert "Decided with the answer on screen" in shown
    assert "1 of 1" in shown
    assert "100 %" not in shown.split("Decided with the answer on screen")[1]


@pytest.fixture
def read_page(answered):
    return reverse("case-read", args=[answered.case_id])


def test_beside_the_answer_stands_what_it_claims_what_judged_it_and_that_it_is_not_validated(login, rita, read_page):
    shown = text(login(rita).get(read_page))

    for words in (CLAIM, LOOK_ALIKES, "Judged by the model", "Not yet validated at this site: 0 of 60 decided scans."):
        assert words in shown, words


def test_the_case_page_says_the_same(login, cara, answered):
    shown = text(login(cara).get(reverse("case-detail", args=[answered.case_id])))

    for words in (CLAIM, LOOK_ALIKES, "Judged by the model", "Not yet validated at this site"):
        assert words in shown, words


def test_the_worklist_names_the_sites_where_the_model_is_not_validated(login, cara, answered):
    assert "not yet validated at: Radiology North" in text(login(cara).get(reverse("worklist")))


def test_help_and_card_say_what_an_answer_claims(login, cara, model):
    for address in (reverse("help"), reverse("model-detail", args=[model.pk])):
        shown = text(login(cara).get(address))
        assert CLAIM in shown, address
        assert LOOK_ALIKES in shown, address


def test_the_worklist_finds_scans_unlike_the_training_data(login, rita, answered):
    client, address = login(rita), f"{reverse('worklist')}?unlike_training=on"
    assert f"case-{answered.case_id}" not in text(client.get(address))

    Prediction.objects.filter(scan=answered).update(decision="uncertain", suitability_state="unlike_training")

    assert f"case-{answered.case_id}" in text(client.get(address))


def test_a_site_keeps_answers_hidden_and_the_pages_say_why(login, rita, max, north, model, case, cara, media):
    client = login(max)
    client.post(reverse("site-reads"), {"site": "north", "awaits_validation": "on"})
    assert Site.objects.get(pk=north.pk).awaits_validation
    scan = make_scan(case, cara)

    for address in (reverse("case-read", args=[scan.case_id]), reverse("case-detail", args=[scan.case_id])):
        shown = text(login(rita).get(address))
        assert "Hidden until the model is accepted here" in shown, address
        assert "Waiting for the model" not in shown, address


def test_a_model_whose_maps_do_not_point_at_disease_offers_them_only_to_who_asks(
    login, rita, model, answered, read_page
):
    model.card = {"maps": {"shown_by_default": False, "reason": "They point at disease by chance alone."}}
    model.save()

    shown = text(login(rita).get(read_page))

    assert "They point at disease by chance alone." in shown
    assert "Offer it all the same" in shown
    assert "&quot;mapsHeldBack&quot;: true" in shown


def test_a_model_that_says_nothing_of_its_maps_offers_them_as_before(login, rita, read_page):
    shown = text(login(rita).get(read_page))

    assert "Offer it all the same" not in shown
    assert "&quot;mapsHeldBack&quot;: false" in shown


def test_lineage_and_card_name_the_decision_of_the_site(login, max, hospital):
    hospital.fill()
    row = accepted(hospital, max)
    scan = hospital.scan(0.7)
    Prediction.objects.filter(pk=scan.prediction_id).update(site_point=row)
    client = login(max)

    lineage = text(client.get(reverse("prediction-lineage", args=[scan.prediction_id])))
    card = text(client.get(reverse("model-detail", args=[hospital.model.pk])))

    assert "Judged by the operating point that Radiology North accepted on" in lineage
    assert "The model's own probability was 70.0 %" in lineage
    assert "1: Accepted" in card
    assert "Decided at sites" in card


def test_another_sites_decisions_are_counted_and_not_named(login, max, otto, hospital):
    hospital.fill()
    accepted(hospital, max)

    card = text(login(otto).get(reverse("model-detail", args=[hospital.model.pk])))

    assert "1 decision of a site that you do not manage." in card
    assert "Radiology North" not in card
