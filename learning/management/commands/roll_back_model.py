from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from accounts.refusals import WrongState
from learning.service.promotion import roll_back


class Command(BaseCommand):
    help = "Puts the model before the present one back into service, in the name of a user."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("reason", help="Why, for the record.")
        parser.add_argument("--user", required=True, metavar="USERNAME", help="Who rolls back.")

    def handle(self, *args: Any, reason: str, user: str, **options: Any) -> None:
        person = User.objects.filter(username=user).first()
        if person is None:
            raise CommandError(f"There is no user {user}.")
        try:
            model = roll_back(user=person, reason=reason)
        except (WrongState, PermissionDenied) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Model {model} is in service again.")
