"""Two managers decide at the same moment: one decision counts, the other manager has to look again."""

from functools import partial

import pytest

from inference.models import SiteAcceptance
from monitoring.acceptance.decisions import accept, decline, revert
from monitoring.acceptance.state import site_model
from tests.cast import make_person
from tests.learning.service.cast import at_once
from tests.monitoring.acceptance_cast import Hospital, thresholds
from tests.monitoring.conftest import make_model

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def hospital(north, now):
    found = Hospital(north, make_model("3", "active", thresholds=thresholds()), now)
    found.fill(infected=22, others=40)
    return found


@pytest.fixture
def managers(north):
    return [make_person(name, (north, "manager")) for name in ("mona", "mark")]


def test_of_two_who_accept_and_decline_one_succeeds(hospital, managers):
    site, model = hospital.site, hospital.model
    keys = [site_model(user, site=site, model=model).key for user in managers]
    assert keys[0] == keys[1]

    errors = at_once(
        [
            lambda: accept(site=site, model=model, user=managers[0], seen=keys[0], reason="Good."),
            lambda: decline(site=site, model=model, user=managers[1], seen=keys[1], reason="Bad."),
        ]
    )

    assert SiteAcceptance.objects.count() == 1
    assert [type(error).__name__ for error in errors] == ["WrongState"]


def test_of_two_who_take_back_one_succeeds(hospital, managers):
    site, model = hospital.site, hospital.model
    key = site_model(managers[0], site=site, model=model).key
    accept(site=site, model=model, user=managers[0], seen=key, reason="Good.")

    errors = at_once(
        [partial(revert, site=site, model=model, user=user, seen=1, reason="It missed one.") for user in managers]
    )

    assert SiteAcceptance.objects.filter(choice="reverted").count() == 1
    assert [type(error).__name__ for error in errors] == ["WrongState"]
