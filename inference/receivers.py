"""A received scan is queued for the model in service, in the transaction that stored it."""

from typing import Any

from django.dispatch import receiver

from cases.models import Scan
from cases.signals import scans_received
from inference.queue import enqueue


@receiver(scans_received)
def queue_received_scans(sender: type, scans: list[Scan], **kwargs: Any) -> None:
    enqueue(scans)
