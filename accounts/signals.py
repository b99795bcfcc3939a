"""Turns log-ins, failed ones and log-outs into events."""

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest

from accounts.events import record_event
from accounts.logins import account_of, login_digest
from accounts.models import Action, User
from accounts.sessions import forget_session, note_session


@receiver(user_logged_in)
def note_login(sender: type, user: User, request: HttpRequest, **kwargs: Any) -> None:
    record_event(Action.LOGIN, actor=user)
    note_session(request, user)


@receiver(user_logged_out)
def note_logout(sender: type, user: User | None, request: HttpRequest, **kwargs: Any) -> None:
    if user is not None:
        record_event(Action.LOGOUT, actor=user)
        forget_session(request.session.session_key)


@receiver(user_login_failed)
def note_failed_login(sender: type, credentials: dict[str, Any], **kwargs: Any) -> None:
    login = credentials.get("username") or credentials.get("email") or ""
    account = account_of(login)
    details: dict[str, Any] = {} if account is not None else {"login": login_digest(login)}
    record_event(Action.LOGIN_FAILED, actor=account, **details)
