"""What workers do for accounts: mails, and house-keeping that the scheduler starts once a day."""

from datetime import timedelta

from celery import shared_task
from django.core.mail import send_mail
from django.core.management import call_command
from django.utils import timezone

from ctportal.accounts.mails import send_reset_link
from ctportal.accounts.models import IdempotentRequest

REPLAYS_KEPT_FOR = timedelta(days=2)


@shared_task(ignore_result=True)
def tidy_up() -> None:
    """Ended sessions and old answers to repeated API calls go; nothing that anybody recorded does."""
    call_command("clearsessions")
    IdempotentRequest.objects.filter(created_at__lt=timezone.now() - REPLAYS_KEPT_FOR).delete()


@shared_task(ignore_result=True)
def mail_reset_link(email: str) -> None:
    """Mails the link for a new password, if somebody has this address."""
    send_reset_link(email)


@shared_task(ignore_result=True)
def mail_notice(subject: str, body: str, to: str) -> None:
    """Mails what has happened to an account to its owner."""
    send_mail(subject, body, None, [to])
