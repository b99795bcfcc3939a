"""Who calls: a token that belongs to a user, or the session of somebody who uses the pages."""

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.language import activate_language, zone_of
from accounts.models import ApiToken, User

REALM = 'Bearer realm="ctportal"'


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer ctp_…`; the database knows only the hash of the secret."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        scheme, _space, secret = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = ApiToken.objects.usable().filter(digest=ApiToken.digest_of(secret.strip())).first()
        if token is None:
            raise AuthenticationFailed(
                _("This token is unknown, expired or revoked; make a new one on your profile page."),
                code="invalid_token",
            )
        token.touch()
        timezone.activate(zone_of(token.user))  # as the middleware does for sessions
        activate_language(request, token.user)
        return token.user, token

    def authenticate_header(self, request: Request) -> Any:
        return f'{REALM}, error="invalid_token"' if "Authorization" in request.headers else REALM
