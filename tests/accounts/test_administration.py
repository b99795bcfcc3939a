"""What the superuser does in the administration is recorded as if a manager had done it."""

import pytest
from django.contrib import admin
from django.core import mail
from django.urls import reverse

from accounts.models import Action, Event, Membership, User
from accounts.tokens import issue_token
from tests.cast import PASSWORD


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


NEW_PASSWORD = "a new long enough secret 7"


def facts(user):
    return {
        "username": user.username,
        "email": user.email,
        "first_name": user.first_name,
        "timezone": user.timezone,
        "theme": user.theme,
        "is_active": "on",
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


def test_a_site_is_never_deleted(login, sue, north):
    assert login(sue).post(reverse("admin:accounts_site_delete", args=[north.pk]), {"post": "yes"}).status_code == 403


def _set_password(client, cara, north):
    address = reverse("admin:auth_user_password_change", args=[cara.pk])
    return client.post(address, {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD, "usable_password": "true"})


def _change_own_password(client, cara, north):
    data = {"old_password": PASSWORD, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    return client.post(reverse("admin:password_change"), data)


def _add_user(client, cara, north):
    data = {"username": "new", "email": "new@example.org", "usable_password": "true"}
    data |= {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    return client.post(reverse("admin:accounts_user_add"), data | inline_rows(cara))


def _change_user(client, cara, north, **changed):
    address = reverse("admin:accounts_user_change", args=[cara.pk])
    return client.post(address, facts(cara) | inline_rows(cara) | changed)


def _add_site(client, cara, north):
    return client.post(reverse("admin:accounts_site_add"), {"name": "Radiology East", "slug": "east"})


def _change_site(client, cara, north):
    address = reverse("admin:accounts_site_change", args=[north.pk])
    return client.post(address, {"name": "Radiology N", "slug": north.slug})


def _change_token(client, cara, north):
    token, _ = issue_token(user=cara, name="PACS", scopes=["read"], days=1)
    data = {"action": "revoke", "_selected_action": [token.pk]}
    return client.post(reverse("admin:accounts_apitoken_changelist"), data)


# What can be written in the administration, and the event that each act leaves.
WRITES = {
    ("user", "add"): [(_add_user, Action.ACCOUNT_CREATED)],
    ("user", "change"): [
        (lambda *cast: _change_user(*cast, is_superuser="on"), Action.ACCOUNT_CHANGED),
        (lambda *cast: _change_user(*cast, is_staff="on"), Action.ACCOUNT_CHANGED),
        (lambda *cast: _change_user(*cast, is_active=""), Action.ACCOUNT_CHANGED),
        (lambda *cast: _change_user(*cast, email="thief@example.org"), Action.ACCOUNT_CHANGED),
        (lambda *cast: _change_user(*cast, last_name="Other"), Action.ACCOUNT_CHANGED),
        (_set_password, Action.PASSWORD_CHANGED),
        (_change_own_password, Action.PASSWORD_CHANGED),
    ],
    ("site", "add"): [(_add_site, Action.SITE_CREATED)],
    ("site", "change"): [(_change_site, Action.SITE_CHANGED)],
    ("apitoken", "action"): [(_change_token, Action.TOKEN_REVOKED)],
}


def test_no_model_can_be_written_in_the_administration_without_a_test_of_its_event(rf, sue):
    request = rf.get("/")
    request.user = sue
    found = set()
    for model, one in admin.site._registry.items():
        allowed = {name for name in ("add", "change", "delete") if getattr(one, f"has_{name}_permission")(request)}
        own_actions = set(one.get_actions(request)) - {"delete_selected"}
        found |= {(model._meta.model_name, name) for name in allowed | ({"action"} if own_actions else set())}

    assert found == set(WRITES)


@pytest.mark.parametrize("act", [pair for acts in WRITES.values() for pair in acts])
def test_every_act_of_the_administration_is_an_event(login, sue, cara, north, act):
    write, action = act

    assert write(login(sue), cara, north).status_code == 302
    event = Event.objects.filter(action=action).first()
    assert event is not None, "the act left nothing"
    assert event.actor == sue


def test_the_record_says_what_was_granted_and_keeps_no_password(login, sue, cara, north):
    _change_user(login(sue), cara, north, is_superuser="on")
    _set_password(login(sue), cara, north)

    changed, password = Event.objects.filter(subject_id=cara.pk).exclude(action=Action.ACCOUNT_CREATED).order_by("pk")
    assert changed.details["before"] == {"is_superuser": False}
    assert changed.details["after"] == {"is_superuser": True}
    assert (password.action, password.details) == (Action.PASSWORD_CHANGED, {})


def test_the_old_address_is_informed_of_a_new_one(login, sue, cara, north, worker):
    with worker():
        _change_user(login(sue), cara, north, email="thief@example.org")

    assert sorted(message.to[0] for message in mail.outbox) == ["cara@example.org", "thief@example.org"]


def test_the_date_of_joining_cannot_be_written(login, sue, cara, north):
    joined = cara.date_joined
    _change_user(login(sue), cara, north, date_joined_0="2001-01-01", date_joined_1="10:00:00")

    assert User.objects.get(pk=cara.pk).date_joined == joined
