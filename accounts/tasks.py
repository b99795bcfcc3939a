"""House-keeping that the scheduler starts once a day."""

from datetime import timedelta

from celery import shared_task
from django.core.management import call_command
from django.utils import timezone

from accounts.models import IdempotentRequest

REPLAYS_KEPT_FOR = timedelta(days=2)


@shared_task(ignore_result=True)
def tidy_up() -> None:
    """Ended sessions and old answers to repeated API calls go; nothing that anybody recorded does."""
    call_command("clearsessions")
    IdempotentRequest.objects.filter(created_at__lt=timezone.now() - REPLAYS_KEPT_FOR).delete()


# A message that an earlier release sent carries this name; it goes with the next release.
shared_task(name=f"ctportal.{__name__}.tidy_up", ignore_result=True)(tidy_up.run)
