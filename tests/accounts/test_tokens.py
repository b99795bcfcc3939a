"""API tokens: what they may be made for, for how long, and how they end."""

import pytest
from django.core.exceptions import ValidationError

from accounts.models import Action, ApiToken, Event
from accounts.tokens import issue_token, revoke_token, scopes_for


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
        revoke_token(token=token)
    assert not ApiToken.objects.usable().exists()
    assert Event.objects.filter(action=Action.TOKEN_REVOKED).count() == 1
