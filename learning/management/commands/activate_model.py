from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.refusals import WrongState
from inference.models import ModelVersion
from learning.service.activation import activate_model


class Command(BaseCommand):
    help = "Puts a registered model into service; the one before it retires, and waiting scans pass to the new one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument("version")

    def handle(self, *args: Any, name: str, version: str, **options: Any) -> None:
        model = ModelVersion.objects.filter(name=name, version=version).first()
        if model is None:
            raise CommandError(f"There is no model {name} {version}; `list_models` shows those registered.")
        try:
            activate_model(model)
        except WrongState as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Model {model} is in service.")
