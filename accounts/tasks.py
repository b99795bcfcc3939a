"""House-keeping that the scheduler starts once a day."""

from celery import shared_task
from django.core.management import call_command


@shared_task(ignore_result=True)
def tidy_up() -> None:
    """Deletes ended sessions; nothing that anybody recorded goes."""
    call_command("clearsessions")
