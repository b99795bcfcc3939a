"""Decides whether two accounts are two people, as far as the record can show."""

from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from accounts.models import Action, Event, User

# Whoever has lately set the password or the address of an account may be the one who uses it.
REACH = timedelta(days=30)


def objection_to(second: User, *, first: User, since: datetime) -> str:
    """Why `second` does not count as another person than `first`, who asked at `since`; empty where nothing speaks."""
    if second.pk == first.pk:
        return _("whoever asked cannot decide")
    of_second = Event.objects.filter(subject_type=User._meta.model_name, subject_id=second.pk)
    made = of_second.filter(action=Action.ACCOUNT_CREATED)
    if second.date_joined >= since or made.filter(at__gte=since).exists():
        return _("this account was made after the request")
    if made.filter(actor=first).exists():
        return _("whoever asked has made this account")
    recent = of_second.filter(actor=first, at__gte=since - REACH)
    if recent.filter(action=Action.PASSWORD_CHANGED).exists():
        return _("whoever asked has lately set the password of this account")
    if recent.filter(action=Action.ACCOUNT_CHANGED, details__after__has_key="email").exists():
        return _("whoever asked has lately set the address of this account")
    return ""
