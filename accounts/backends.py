"""Checking a password: once, whatever was typed as the login."""

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest

from accounts.logins import account_of


class OneHashBackend(AuthenticationBackend):
    """Finds the account first and hashes once, so that the time of an answer does not reveal whether there is one."""

    def _authenticate(self, request: HttpRequest | None, **credentials: Any) -> AbstractBaseUser | None:
        login = credentials.get("username") or credentials.get("email") or ""
        return self._check_password(account_of(login), credentials.get("password") or "")
