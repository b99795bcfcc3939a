"""Tests adding and removing members, and the site's setting for blinded reads."""

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from accounts.membership import add_member, remove_member, set_blinded_reads
from accounts.models import Action, Event, Membership


def test_a_manager_gives_a_role_and_it_is_an_event(north, max, otto):
    membership = add_member(site=north, user=max, username="otto", role="reader")
    assert (membership.user, membership.role) == (otto, "reader")
    event = Event.objects.get(action=Action.MEMBERSHIP_CHANGED)
    assert event.details == {"change": "added", "role": "reader", "member": "otto"}


def test_nobody_is_added_twice_or_unknown_or_inactive(north, max, rita, otto):
    with pytest.raises(ValidationError, match="already"):
        add_member(site=north, user=max, username="rita", role="reader")
    with pytest.raises(ValidationError, match="active account"):
        add_member(site=north, user=max, username="nobody", role="reader")
    otto.is_active = False
    otto.save()
    with pytest.raises(ValidationError, match="active account"):
        add_member(site=north, user=max, username="otto", role="reader")
    assert not Event.objects.filter(action=Action.MEMBERSHIP_CHANGED).exists()


def test_a_role_is_taken_away_but_never_the_last_manager(north, max, rita):
    remove_member(membership=rita.memberships.get(), user=max)
    assert not rita.memberships.exists()
    with pytest.raises(ValidationError, match="only this manager"):
        remove_member(membership=max.memberships.get(), user=max)
    add_member(site=north, user=max, username="rita", role="manager")
    remove_member(membership=max.memberships.get(), user=max)
    assert Membership.objects.get(site=north).user == rita


def test_blinding_is_an_event_only_when_it_changes(north, max):
    set_blinded_reads(site=north, user=max, blinded=False)
    assert not Event.objects.filter(action=Action.SITE_CHANGED).exists()
    set_blinded_reads(site=north, user=max, blinded=True)
    assert north.blinded_reads
    assert Event.objects.get(action=Action.SITE_CHANGED).details == {"blinded_reads": True}


def test_only_a_manager_of_the_site_may(north, south, max, rita, otto):
    for person in (rita, otto):
        with pytest.raises(PermissionDenied):
            add_member(site=north, user=person, username="cara", role="reader")
        with pytest.raises(PermissionDenied):
            remove_member(membership=max.memberships.get(), user=person)
        with pytest.raises(PermissionDenied):
            set_blinded_reads(site=north, user=person, blinded=True)
