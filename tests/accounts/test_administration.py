"""What the superuser does in the administration is recorded as if a manager had done it."""

import pytest
from django.urls import reverse

from accounts.models import Action, Event, Membership


def inline_rows(user, *rows, initial=0):
    data = {
        "memberships-TOTAL_FORMS": len(rows),
        "memberships-INITIAL_FORMS": initial,
        "memberships-MIN_NUM_FORMS": 0,
        "memberships-MAX_NUM_FORMS": 1000,
    }
    for number, row in enumerate(rows):
        data |= {f"memberships-{number}-{name}": value for name, value in row.items()}
        data[f"memberships-{number}-user"] = user.pk
    return data


def facts(user):
    return {
        "username": user.username,
        "email": user.email,
        "timezone": user.timezone,
        "theme": user.theme,
        "is_active": "on",
        "date_joined_0": "2026-01-01",
        "date_joined_1": "10:00:00",
    }


@pytest.fixture
def save(login, sue, cara):
    def send(*rows, initial=0):
        address = reverse("admin:accounts_user_change", args=[cara.pk])
        return login(sue).post(address, facts(cara) | inline_rows(cara, *rows, initial=initial))

    return send


def test_a_role_given_is_an_event(save, sue, cara, south):
    assert save({"site": south.pk, "role": "reader"}).status_code == 302

    event = Event.objects.get(action=Action.MEMBERSHIP_CHANGED)
    assert (event.actor, event.site) == (sue, south)
    assert event.details == {"change": "added", "role": "reader", "member": "cara"}


def test_a_role_taken_is_an_event(save, cara, north):
    membership = Membership.objects.get(user=cara)
    assert save({"id": membership.pk, "DELETE": "on"}, initial=1).status_code == 302

    assert not Membership.objects.filter(user=cara).exists()
    assert Event.objects.get(action=Action.MEMBERSHIP_CHANGED).details["change"] == "removed"


def test_blinding_a_site_is_an_event(login, sue, north):
    address = reverse("admin:accounts_site_change", args=[north.pk])
    login(sue).post(address, {"name": north.name, "slug": north.slug, "blinded_reads": "on"})

    assert Event.objects.get(action=Action.SITE_CHANGED).details == {"blinded_reads": True}


@pytest.mark.parametrize("name", ["cases_review", "accounts_event", "cases_patient", "inference_prediction"])
def test_what_the_program_records_can_only_be_looked_at(login, sue, name):
    client = login(sue)

    assert client.get(reverse(f"admin:{name}_changelist")).status_code == 200
    assert client.post(reverse(f"admin:{name}_add"), {}).status_code == 403


def test_a_person_is_never_deleted(login, sue, cara):
    assert login(sue).post(reverse("admin:accounts_user_delete", args=[cara.pk]), {"post": "yes"}).status_code == 403
