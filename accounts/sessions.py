"""Lists the browsers in which a person is logged in, and ends one from elsewhere."""

from datetime import timedelta
from importlib import import_module

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts import origin
from accounts.events import record_event
from accounts.models import Action, PersonSession, User


def note_session(request: HttpRequest, user: User) -> None:
    """Writes down that the session was used now, and from where."""
    key = request.session.session_key
    if key is not None:
        facts = {"user": user, "seen_at": timezone.now(), "address": origin.address(), "agent": origin.agent()}
        if not PersonSession.objects.filter(key=key).update(**facts):
            PersonSession.objects.bulk_create([PersonSession(key=key, **facts)], ignore_conflicts=True)


def open_sessions(user: User) -> QuerySet[PersonSession]:
    """Returns those that still open the portal, the latest first."""
    now = timezone.now()
    living = Session.objects.filter(expire_date__gt=now).values("session_key")
    idle_since = now - timedelta(minutes=settings.SESSION_IDLE_MINUTES)
    return user.sessions.filter(key__in=living, seen_at__gt=idle_since).order_by("-seen_at", "-pk")


def end_session(session: PersonSession) -> None:
    """Logs one of the person's own browsers out."""
    with transaction.atomic():
        record_event(Action.SESSION_ENDED, actor=session.user, subject=session)
        _forget(PersonSession.objects.filter(pk=session.pk))


def end_other_sessions(user: User, *, but: str | None) -> None:
    """With a new password, all but the one in which it was chosen."""
    _forget(user.sessions.exclude(key=but or ""))


def forget_session(key: str | None) -> None:
    """Takes a session that has ended off the list."""
    PersonSession.objects.filter(key=key or "").delete()


def forget_ended_sessions() -> None:
    PersonSession.objects.exclude(key__in=Session.objects.values("session_key")).delete()


def _forget(sessions: QuerySet[PersonSession]) -> None:
    store = import_module(settings.SESSION_ENGINE).SessionStore
    for session in sessions:
        store(session.key).delete()
        session.delete()
