"""Logins and password changes become events, however they happen."""

from typing import Any

from allauth.account.signals import password_changed, password_reset
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest

from accounts.events import record_event
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
    known = User.objects.filter(username=credentials.get("username") or "").first()
    if known is None and credentials.get("email"):
        known = User.objects.filter(email__iexact=credentials["email"]).first()
    record_event(Action.LOGIN_FAILED, actor=known)


@receiver([password_changed, password_reset])
def note_password_change(sender: type, request: HttpRequest, user: User, **kwargs: Any) -> None:
    record_event(Action.PASSWORD_CHANGED, actor=user)
