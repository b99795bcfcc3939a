import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from accounts.models import Action, ApiToken, Event


def issue(capsys, *arguments: str) -> str:
    call_command("issue_token", *arguments)
    return capsys.readouterr().out.strip()


def test_the_secret_is_all_that_it_prints_and_it_opens_the_api(capsys, cara):
    secret = issue(capsys, "--user", "cara", "--scopes", "read", "upload", "--days", "7")

    assert secret.startswith("ctp_")
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    assert client.get("/api/v1/me/").json()["token"]["scopes"] == ["read", "upload"]
    assert Event.objects.filter(action=Action.TOKEN_ISSUED, actor=cara).count() == 1


def test_without_scopes_it_allows_what_the_roles_do(capsys, rita):
    issue(capsys, "--user", "rita")

    assert sorted(ApiToken.objects.get().scopes) == ["read", "review"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--user", "nobody"], "no user nobody"),
        (["--user", "cara", "--scopes", "review"], "allow: read, upload"),
        (["--user", "cara", "--days", "0"], "lasts 1 to"),
        (["--user", "cara", "--days", "100000"], "lasts 1 to"),
    ],
)
def test_what_cannot_be_is_refused_in_words(cara, arguments, words):
    with pytest.raises(CommandError, match=words):
        call_command("issue_token", *arguments)
    assert not ApiToken.objects.exists()


def test_who_is_not_active_gets_no_token(cara):
    cara.is_active = False
    cara.save()

    with pytest.raises(CommandError, match="not active"):
        call_command("issue_token", "--user", "cara")
