from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.refusals import WrongState
from inference.catalogue import register_model
from inference.service import active_model
from learning.service.activation import activate_model
from ml.model.artifact import ArtifactError


class Command(BaseCommand):
    help = "Checks a model's folder, copies it into the store and records it. The first model enters service at once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="what `python -m ml export` wrote")
        parser.add_argument("--activate", action="store_true", help="put it into service, whatever serves now")

    def handle(self, *args: Any, folder: Path, activate: bool, **options: Any) -> None:
        try:
            model, created = register_model(folder)
            self.stdout.write(f"Model {model} {'registered' if created else 'was registered already'}.")
            if not model.is_active and (activate or active_model() is None):
                activate_model(model)
                self.stdout.write(f"Model {model} is in service.")
        except (ArtifactError, WrongState) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"The model cannot be copied: {error.strerror} ({error.filename}).") from error
