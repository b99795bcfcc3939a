"""What happens to cases and scans, and what it means for the queue."""

from collections.abc import Collection
from typing import Any

from django.db import transaction
from django.db.models.signals import post_save
from django.dispatch import receiver

from cases.models import Case, Priority, Scan
from cases.signals import scans_received
from inference.models import Prediction, Urgency
from inference.queue import URGENCY, enqueue, enqueue_for_shadow


@receiver(scans_received)
def queue_received_scans(sender: type, scans: list[Scan], **kwargs: Any) -> None:
    """Queues scans in the transaction that stored them."""
    enqueue(scans)
    enqueue_for_shadow(scans)


@receiver(post_save, sender=Case)
def follow_priority(
    sender: type, instance: Case, created: bool, update_fields: Collection[str] | None, **kwargs: Any
) -> None:
    """A case that becomes an emergency takes its waiting scans with it; what nobody waits for stays behind."""
    if created or (update_fields is not None and "priority" not in update_fields):
        return
    with transaction.atomic():
        waiting = Prediction.objects.waiting().filter(scan__case=instance, urgency__lt=Urgency.REREADING)
        rows = waiting.select_for_update(of=("self",)).order_by("pk")
        waiting.filter(pk__in=[row.pk for row in rows]).update(urgency=URGENCY[Priority(instance.priority)])


@receiver(post_save, sender=Case)
def leave_cancelled_unread(
    sender: type, instance: Case, created: bool, update_fields: Collection[str] | None, **kwargs: Any
) -> None:
    """Nobody computes an answer for a cancelled case; once it is reopened, its scans are asked about again."""
    if created or update_fields is None or "cancelled_reason" not in update_fields:
        return
    if not instance.is_cancelled:
        enqueue(instance.scans.ready().select_related("case"))
        return
    with transaction.atomic():
        waiting = Prediction.objects.waiting().filter(scan__case=instance)
        rows = waiting.select_for_update(of=("self",)).order_by("pk")
        waiting.filter(pk__in=[row.pk for row in rows]).delete()


@receiver(post_save, sender=Case)
def drop_rereading(sender: type, instance: Case, created: bool, **kwargs: Any) -> None:
    """Drops the request, since the current answer of a closed case is final."""
    if created or not instance.is_closed:
        return
    with transaction.atomic():
        waiting = Prediction.objects.waiting().filter(scan__case=instance, urgency=Urgency.REREADING)
        rows = waiting.select_for_update(of=("self",)).order_by("pk")
        waiting.filter(pk__in=[row.pk for row in rows]).delete()
