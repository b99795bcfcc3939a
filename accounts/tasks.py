"""House-keeping that the scheduler starts once a day."""

from celery import shared_task
from django.core.management import call_command


@shared_task(ignore_result=True)
def tidy_up() -> None:
    """Deletes expired sessions."""
    call_command("clearsessions")
