"""Whatever changes an account is an event: by the pages, the administration or a command."""

from typing import Any

from django.db.models.signals import post_save, pre_save
from django.dispatch import receiver

from accounts import origin
from accounts.events import record_event
from accounts.mails import notify
from accounts.models import Action, User
from accounts.sessions import end_other_sessions
from accounts.tokens import revoke_tokens

# Recorded with the value before and after; of a password only that it changed.
RECORDED = ("username", "first_name", "last_name", "email", "is_active", "is_staff", "is_superuser")
PASSWORD = "password"  # noqa: S105 - the name of a field


@receiver(pre_save, sender=User)
def remember_before(sender: type, instance: User, update_fields: frozenset[str] | None, **kwargs: Any) -> None:
    """Keeps the stored values that this save may change."""
    wanted = [name for name in (*RECORDED, PASSWORD) if update_fields is None or name in update_fields]
    stored = User.objects.filter(pk=instance.pk).values(*wanted).first() if wanted and instance.pk else None
    instance.__dict__["_before"] = stored or {}


@receiver(post_save, sender=User)
def record_change(
    sender: type, instance: User, created: bool, update_fields: frozenset[str] | None, **kwargs: Any
) -> None:
    """Writes down the new account, or what has become different of the one there was."""
    before = instance.__dict__.pop("_before", {})
    facts: dict[str, Any]
    if created:
        facts = {"username": instance.username, "is_superuser": instance.is_superuser}
        record_event(Action.ACCOUNT_CREATED, actor=origin.person(), subject=instance, **facts)
        return
    changed = [name for name, value in before.items() if getattr(instance, name) != value]
    if PASSWORD in changed and not _is_hashed_anew(instance, update_fields):
        _record_password(instance)
    fields = [name for name in changed if name != PASSWORD]
    if fields:
        after = {name: getattr(instance, name) for name in fields}
        facts = {"fields": fields, "before": {name: before[name] for name in fields}, "after": after}
        record_event(Action.ACCOUNT_CHANGED, actor=origin.person(), subject=instance, **facts)
    if "email" in fields:
        for address in (before["email"], instance.email):
            notify(instance, "email_changed", to=address, before=before["email"], after=instance.email)


def _is_hashed_anew(user: User, update_fields: frozenset[str] | None) -> bool:
    """A log-in with an outdated hash stores the same password under a newer one."""
    return set(update_fields or ()) == {PASSWORD} and user._password is None  # type: ignore[attr-defined]


def _record_password(user: User) -> None:
    """Records the change; in a request without a person, the owner came by a mailed link. A password that somebody set
    anew ends tokens.
    """
    by_link = origin.is_at_work() and origin.person() is None
    actor = user if by_link else origin.person()
    details: dict[str, Any] = {"by": "mailed link"} if by_link else {}
    record_event(Action.PASSWORD_CHANGED, actor=actor, subject=user, **details)
    end_other_sessions(user, but=origin.session_key() if actor == user else None)
    if by_link or actor != user:
        revoke_tokens(of=user, by=actor)
    if actor != user:
        notify(user, "password_given")
