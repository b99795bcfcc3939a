"""The record says from where an act came, as far as the installation lets it."""

import pytest

from accounts.checks import check_event_addresses
from accounts.events import record_event
from accounts.models import Action, Event
from accounts.origin import kept_address


def test_an_event_has_the_address_and_the_browser(login, cara, case):
    login(cara).get(f"/cases/{case.pk}/", REMOTE_ADDR="203.0.113.77", HTTP_USER_AGENT="Ward\x1b browser")

    event = Event.objects.get(action=Action.CASE_VIEWED)
    assert (event.address, event.agent) == ("203.0.113.77", "Ward\\x1b browser")


def test_what_no_request_did_has_none(cara):
    event = record_event(Action.LOGOUT, actor=cara)

    assert (event.address, event.agent) == ("", "")


@pytest.mark.parametrize(
    ("how", "address", "kept"),
    [
        ("full", "203.0.113.77", "203.0.113.77"),
        ("network", "203.0.113.77", "203.0.113.0/24"),
        ("network", "2001:db8:1:2::7", "2001:db8:1::/48"),
    ],
)
def test_an_address_is_kept_as_the_setting_says(settings, how, address, kept):
    settings.EVENT_ADDRESSES = how

    assert kept_address(address) == kept


def test_a_hashed_address_is_the_same_each_time_and_no_address(settings):
    settings.EVENT_ADDRESSES = "hash"

    assert kept_address("203.0.113.77") == kept_address("203.0.113.77") != kept_address("203.0.113.78")


def test_no_address_is_kept_where_none_is_wanted(login, cara, case, settings):
    settings.EVENT_ADDRESSES = "none"
    login(cara).get(f"/cases/{case.pk}/")

    assert Event.objects.get(action=Action.CASE_VIEWED).address == ""


def test_a_word_that_means_nothing_is_refused_at_the_start(settings):
    assert check_event_addresses() == []
    settings.EVENT_ADDRESSES = "hashed"

    assert [error.id for error in check_event_addresses()] == ["accounts.E001"]
