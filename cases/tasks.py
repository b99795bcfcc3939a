"""House-keeping of the cases that the scheduler starts once a day."""

from celery import shared_task

from cases.drafts import forget_old_drafts


@shared_task(ignore_result=True)
def tidy_up_drafts() -> None:
    """Deletes drafts of decisions that were never recorded; nothing that anybody recorded is touched."""
    forget_old_drafts()
