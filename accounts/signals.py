"""Log-ins, failed ones and log-outs become events."""

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver

from accounts.events import record_event
from accounts.logins import account_of, login_digest
from accounts.models import Action, User


@receiver(user_logged_in)
def note_login(sender: type, user: User, **kwargs: Any) -> None:
    record_event(Action.LOGIN, actor=user)


@receiver(user_logged_out)
def note_logout(sender: type, user: User | None, **kwargs: Any) -> None:
    if user is not None:
        record_event(Action.LOGOUT, actor=user)


@receiver(user_login_failed)
def note_failed_login(sender: type, credentials: dict[str, Any], **kwargs: Any) -> None:
    login = credentials.get("username") or credentials.get("email") or ""
    account = account_of(login)
    details = {} if account is not None else {"login": login_digest(login)}
    record_event(Action.LOGIN_FAILED, actor=account, **details)
