"""House-keeping that the scheduler starts once a day."""

from celery import shared_task
from django.core.management import call_command


@shared_task(ignore_result=True)
def tidy_up() -> None:
    """Deletes expired sessions."""
    call_command("clearsessions")


# A message that an earlier release sent carries this name; it goes with the next release.
shared_task(name=f"ctportal.{__name__}.tidy_up", ignore_result=True)(tidy_up.run)
