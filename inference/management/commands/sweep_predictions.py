from typing import Any

from django.core.management.base import BaseCommand

from inference.handover import recall_from_retired
from inference.queue import sweep_predictions


class Command(BaseCommand):
    help = "Queues predictions again whose worker was lost, and wakes the workers; the scheduler does so regularly."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"Put right: {sweep_predictions() + recall_from_retired()}.")
