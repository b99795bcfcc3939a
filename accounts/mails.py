"""Sends mails about accounts through a worker, so that the time a page takes does not reveal who has an account. They
are sent by a worker: how long a page takes does not tell who has an account.
"""

import logging
from typing import Any

from allauth.account import app_settings
from allauth.account.adapter import get_adapter
from allauth.account.utils import user_pk_to_url_str
from celery import Task, shared_task
from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone, translation
from kombu.exceptions import OperationalError

from accounts import origin
from accounts.language import language_of, zone_of
from accounts.models import User

logger = logging.getLogger(__name__)

FOLDER = "account/email"


def ask_for_reset_link(email: str) -> None:
    """Has a worker see whether there is an account, and mail it."""
    _queue(mail_reset_link, email, translation.get_language() or settings.LANGUAGE_CODE)


def send_reset_link(email: str, language: str = "") -> None:
    """Mails a link to the account of this address; to an address that nobody has, nothing.

    `language` is that of the page on which it was asked for; what the person or their site has chosen goes before it.
    """
    user = User.objects.filter(email__iexact=email, is_active=True).first()
    if user is None:
        return
    token = app_settings.PASSWORD_RESET_TOKEN_GENERATOR().make_token(user)
    url = get_adapter().get_reset_password_from_key_url(f"{user_pk_to_url_str(user)}-{token}")
    with translation.override(language_of(user) or language or settings.LANGUAGE_CODE):
        subject, body = _rendered("password_reset_key", {"username": user.username, "password_reset_url": url})
    send_mail(subject, body, None, [user.email])


def notify(user: User, kind: str, *, to: str = "", **context: Any) -> None:
    """Informs the owner of an account of what has happened to it, in their language, once that is certain."""
    facts = {"user": user, "at": timezone.now(), "address": origin.address(), "agent": origin.agent(), **context}
    own = translation.get_language() if origin.person() == user else settings.LANGUAGE_CODE
    with translation.override(language_of(user) or own), timezone.override(zone_of(user)):
        subject, body = _rendered(kind, facts)
    address = to or user.email
    if address:
        transaction.on_commit(lambda: _queue_notice(subject, body, address))


def _queue_notice(subject: str, body: str, to: str) -> None:
    _queue(mail_notice, subject, body, to)


@shared_task(ignore_result=True)
def mail_reset_link(email: str, language: str = "") -> None:
    """Mails the link for a new password, if somebody has this address."""
    send_reset_link(email, language)


@shared_task(ignore_result=True)
def mail_notice(subject: str, body: str, to: str) -> None:
    """Mails what has happened to an account to its owner."""
    send_mail(subject, body, None, [to])


def _queue(task: Task, *arguments: str) -> None:
    """Without a broker there is no mail, known address or not; the page says what to do where none comes."""
    try:
        task.delay(*arguments)
    except OperationalError:
        logger.error("A mail about an account could not be queued: the broker does not answer")


def _rendered(kind: str, context: dict[str, Any]) -> tuple[str, str]:
    subject = render_to_string(f"{FOLDER}/{kind}_subject.txt", context)
    return " ".join(subject.split()), render_to_string(f"{FOLDER}/{kind}_message.txt", context).strip() + "\n"
