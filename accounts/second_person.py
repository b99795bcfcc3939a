"""Decides whether two accounts are two people, as far as the record can show."""

from datetime import datetime, timedelta

from django.db.models import Q
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
    if second.pk in _taken_over(first, since - REACH):
        return _("an account that whoever asked has lately made or opened has made or opened this one")
    return ""


def _taken_over(first: User, since: datetime) -> set[int]:
    """Returns the accounts that one person may have come to use since then, each through one before it."""
    opening = Q(action__in=(Action.ACCOUNT_CREATED, Action.PASSWORD_CHANGED))
    opening |= Q(action=Action.ACCOUNT_CHANGED, details__after__has_key="email")
    acts = Event.objects.filter(opening, subject_type=User._meta.model_name, at__gte=since)
    found, new = set[int](), {first.pk}
    while new:
        found |= new
        reached = acts.filter(actor__in=new).values_list("subject_id", flat=True)
        new = {pk for pk in reached if pk is not None} - found
    return found
