import re
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.seals import BrokenSeal, Head, seal_events, unsealed, verify


def head_of_log(text: str) -> Head:
    if not re.fullmatch(r"\d{1,18}:[0-9a-f]{64}", text):
        raise ArgumentTypeError("write it as the log has it, POSITION:DIGEST")
    position, _, digest = text.partition(":")
    return Head(int(position), digest)


class Command(BaseCommand):
    help = (
        "Reads the event record along its chain of seals and says whether an event was changed or taken out since it "
        "was sealed. With a head that an earlier log has, a chain that was rewritten as a whole shows too."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--head", type=head_of_log, help="POSITION:DIGEST from the log of an earlier day")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = verify(known=options["head"])
        except BrokenSeal as error:
            raise CommandError(str(error)) from None
        waiting = unsealed(everything=True).count()
        seal_events(everything=True)
        self.stdout.write(f"The record fits its {found.position} seals; {waiting} newer events were sealed now.")
        self.stdout.write(f"Head {found}")
