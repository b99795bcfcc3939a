from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from accounts.refusals import WrongState
from inference.models import ModelVersion
from learning.models import Comparison
from learning.service.promotion import promote


class Command(BaseCommand):
    help = (
        "Promotes a model that was compared with the one in service and passed the gate, in the name of a user. "
        "`activate_model` puts a model into service without asking the gate."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument("version")
        parser.add_argument("--user", required=True, metavar="USERNAME", help="Who promotes it.")

    def handle(self, *args: Any, name: str, version: str, user: str, **options: Any) -> None:
        model = ModelVersion.objects.filter(name=name, version=version).first()
        if model is None:
            raise CommandError(f"There is no model {name} {version}; `list_models` shows those registered.")
        person = User.objects.filter(username=user).first()
        if person is None:
            raise CommandError(f"There is no user {user}.")
        comparison = Comparison.objects.select_related("challenger").filter(challenger=model).first()
        if comparison is None:
            raise CommandError(f"Model {model} was not compared with the one in service; run `compare_models` first.")
        try:
            promote(comparison=comparison, user=person)
        except (WrongState, PermissionDenied) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Model {model} is in service.")
