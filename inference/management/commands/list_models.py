from typing import Any

from django.core.management.base import BaseCommand
from django.db.models import Count, Q

from inference.models import ModelVersion, PredictionStatus

COLUMNS = "{:<24} {:<12} {:<12} {:<18} {:>9} {:>9}  {}"


class Command(BaseCommand):
    help = "Lists the registered models, the newest first."

    def handle(self, *args: Any, **options: Any) -> None:
        done, failed = (
            Count("predictions", filter=Q(predictions__status=status))
            for status in (PredictionStatus.DONE, PredictionStatus.FAILED)
        )
        models = ModelVersion.objects.annotate(done=done, failed=failed).order_by("-registered_at", "-pk")
        if not models:
            self.stdout.write("No model is registered; `register_model FOLDER` registers one.")
            return
        self.stdout.write(COLUMNS.format("name", "version", "status", "registered", "answered", "failed", "sha256"))
        for model in models:
            self.stdout.write(
                COLUMNS.format(
                    model.name,
                    model.version,
                    model.get_status_display(),
                    f"{model.registered_at:%Y-%m-%d %H:%M}",
                    model.done,
                    model.failed,
                    model.sha256[:12],
                )
            )
