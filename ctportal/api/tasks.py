"""House-keeping of the API that the scheduler starts once a day."""

from celery import shared_task

from ctportal.api.idempotency import forget_old_receipts


@shared_task(ignore_result=True)
def forget_receipts() -> None:
    """Deletes idempotency receipts that are no longer replayed."""
    forget_old_receipts()
