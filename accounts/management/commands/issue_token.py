from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from accounts.models import Scope, User
from accounts.tokens import issue_token, scopes_for

DEFAULT_DAYS = 90


class Command(BaseCommand):
    help = (
        "Makes an API token for a user and prints its secret, which cannot be shown again, as the only line of the "
        "standard output. The user may make one on the profile page too."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--user", required=True, help="the user name")
        parser.add_argument(
            "--scopes",
            nargs="+",
            choices=Scope.values,
            help="what the token may do; unless said, all that the user's roles allow",
        )
        parser.add_argument("--days", type=int, default=DEFAULT_DAYS, help=f"how long it lasts ({DEFAULT_DAYS})")
        parser.add_argument("--name", default="command line", help="what it is for")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["user"]).first()
        if user is None:
            raise CommandError(f"There is no user {options['user']}.")
        if not user.is_active:
            raise CommandError(f"The user {user.username} is not active; activate the account first.")
        try:
            token, secret = issue_token(
                user=user, name=options["name"], scopes=options["scopes"] or scopes_for(user), days=options["days"]
            )
        except ValidationError as error:
            allowed = ", ".join(scopes_for(user)) or "none"
            raise CommandError(f"{' '.join(error.messages)} The roles of {user.username} allow: {allowed}.") from None
        self.stderr.write(f"Scopes {', '.join(token.scopes)}; expires on {token.expires_at:%Y-%m-%d}.")
        self.stdout.write(secret)
