"""API tokens: what they may be made for, for how long, and how they end."""

import pytest
from django.core import mail
from django.core.exceptions import PermissionDenied, ValidationError

from accounts.models import Action, ApiToken, Event
from accounts.tokens import issue_token, revoke_token, revoke_tokens_of_member, scopes_for
from tests.cast import PASSWORD

NEW_PASSWORD = "a new long enough secret 7"


def test_scopes_follow_the_owners_roles(cara, rita, max, otto, sue):
    assert scopes_for(cara) == ["read", "upload"]
    assert scopes_for(rita) == ["read", "review"]
    assert scopes_for(max) == ["read", "train"]
    assert scopes_for(otto) == ["read", "upload", "review", "train"]
    assert scopes_for(sue) == ["read", "train"]


def test_the_secret_is_stored_as_a_hash_and_opens_once_issued(cara):
    token, secret = issue_token(user=cara, name=" PACS ", scopes=["upload", "read"], days=30)
    assert (token.name, token.scopes) == ("PACS", ["read", "upload"])
    assert secret not in {token.digest, token.prefix}
    assert ApiToken.objects.usable().get(digest=ApiToken.digest_of(secret)) == token
    assert Event.objects.get(action=Action.TOKEN_ISSUED).subject_id == token.pk


@pytest.mark.parametrize("scopes", [[], ["review"], ["everything"], ["read", "review"]])
def test_no_token_goes_beyond_its_owner(cara, scopes):
    with pytest.raises(ValidationError, match="scopes"):
        issue_token(user=cara, name="x", scopes=scopes, days=30)


@pytest.mark.parametrize("days", [0, -1, 91])
def test_no_token_lasts_longer_than_the_installation_allows(cara, settings, days):
    settings.API_TOKEN_MAX_DAYS = 90
    with pytest.raises(ValidationError, match="1 to 90 days"):
        issue_token(user=cara, name="x", scopes=["read"], days=days)


def test_revoking_twice_is_revoking_once(cara):
    token, _ = issue_token(user=cara, name="x", scopes=["read"], days=1)
    for _ in range(2):
        revoke_token(token=token, by=cara)
    assert not ApiToken.objects.usable().exists()
    assert Event.objects.filter(action=Action.TOKEN_REVOKED).count() == 1


@pytest.fixture
def token(cara):
    return issue_token(user=cara, name="PACS gateway", scopes=["read"], days=1)[0]


def serves(token):
    return ApiToken.objects.usable().filter(pk=token.pk).exists()


def change_password(client, **more):
    data = {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    return client.post("/accounts/password/change/", data | more)


def test_a_changed_password_leaves_the_tokens_unless_the_owner_wants_them_gone(login, cara, token):
    assert "Revoke my API tokens too" in login(cara).get("/accounts/password/change/").content.decode()
    change_password(login(cara))
    assert serves(token)


def test_a_changed_password_ends_the_tokens_where_that_is_ticked(login, cara, token):
    assert change_password(login(cara), revoke_tokens="on").status_code == 302
    assert not serves(token)


def test_nobody_without_a_token_is_asked_about_tokens(login, cara):
    assert "Revoke my API tokens too" not in login(cara).get("/accounts/password/change/").content.decode()


def test_a_password_that_somebody_else_sets_ends_the_tokens(cara, token):
    cara.set_password(NEW_PASSWORD)
    cara.save()

    assert not serves(token)


def test_the_owner_hears_of_a_new_token_and_of_one_that_another_revoked(cara, max, north, worker):
    with worker():
        issue_token(user=cara, name="PACS gateway", scopes=["read"], days=1)
        revoke_tokens_of_member(member=cara, site=north, by=max)

    made, revoked = mail.outbox
    assert made.to == revoked.to == ["cara@example.org"]
    assert "PACS gateway" in made.body
    assert "Max (max) revoked" in revoked.body


def test_a_manager_revokes_the_tokens_of_the_members_and_of_nobody_else(cara, max, otto, north, south, token):
    assert revoke_tokens_of_member(member=cara, site=north, by=max) == 1
    assert not serves(token)
    assert Event.objects.get(action=Action.TOKEN_REVOKED).actor == max
    for member, site, by in [(otto, north, max), (cara, north, cara), (otto, south, max)]:
        with pytest.raises(PermissionDenied):
            revoke_tokens_of_member(member=member, site=site, by=by)


def test_the_members_page_offers_a_manager_to_revoke_tokens(login, max, cara, token):
    membership = cara.memberships.get()
    address = f"/members/{membership.pk}/revoke-tokens/"

    assert address in login(max).get("/members/").content.decode()
    assert login(max).post(address).status_code == 302
    assert not serves(token)


def test_the_address_for_revoking_is_refused_to_others(client, login, rita, otto, cara, token):
    address = f"/members/{cara.memberships.get().pk}/revoke-tokens/"

    assert client.post(address)["Location"].startswith("/accounts/login/")
    assert login(rita).post(address).status_code == 403
    assert login(otto).post(address).status_code == 404
    assert serves(token)


def test_a_token_is_made_only_after_the_password_was_entered_again(login, cara):
    client = login(cara)
    asked = client.post("/profile/tokens/", {"name": "x", "scopes": ["read"], "days": 1})
    assert asked["Location"].startswith("/accounts/reauthenticate/")
    assert not ApiToken.objects.exists()

    refused = client.post(asked["Location"], {"password": "wrong"})
    assert refused.status_code == 200
    assert not ApiToken.objects.exists()

    made = client.post(asked["Location"], {"password": PASSWORD})
    assert "ctp_" in made.content.decode()
    assert ApiToken.objects.get().name == "x"
