import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.refusals import WrongState
from learning.datasets.base_import import UnreadableFolder, import_labels
from ml.progress import Progress


class Command(BaseCommand):
    help = (
        "Imports a folder with a manifest.csv (file,label,group and, where known, scan and sha256) as a base set. "
        "Started again it goes on where it was; what the set holds already is left alone."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, metavar="DIR")
        parser.add_argument("--name", default="", help="of the base set; the folder's name unless given")
        parser.add_argument("--licence", default="", help="under which the images may be used")
        parser.add_argument(
            "--where",
            action="append",
            default=[],
            metavar="COLUMN=VALUE",
            help="only rows with this value; several values of one column add up",
        )
        parser.add_argument("--block", action="append", default=[], help="the same as --where block=VALUE")

    def handle(
        self, *args: Any, folder: Path, name: str, licence: str, where: list[str], block: list[str], **options: Any
    ) -> None:
        chosen = _chosen([*where, *(f"block={value}" for value in block)])
        bar = _Bar(f"Importing {name or folder.resolve().name}", quiet=options["verbosity"] < 1)
        try:
            report = import_labels(folder, name=name, licence=licence, where=chosen, progress=bar)
        except (UnreadableFolder, WrongState) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("Stopped. What was imported stays; start the command again to go on.") from None
        except OSError as error:
            raise CommandError(f"An image cannot be stored: {error.strerror} ({error.filename}).") from error
        for refusal in report.refused:
            self.stdout.write(f"Line {refusal.line}, {refusal.file or 'no file'}: {refusal.reason}.")
        self.stdout.write(
            f"Imported: {report.imported}. There already: {report.known}. Refused: {len(report.refused)}."
        )
        if report.base_set is None:
            raise CommandError("No row could be imported, so there is no base set.")
        if not sys.stdout.isatty():
            return
        self.stdout.write(f"Build a data set with it: manage.py build_dataset --base “{report.base_set}”")


class _Bar:
    """The total is known with the first row."""

    def __init__(self, title: str, *, quiet: bool) -> None:
        self.title, self.quiet = title, quiet
        self.bar: Progress | None = None

    def __call__(self, done: int, total: int) -> None:
        self.bar = self.bar or Progress(self.title, total, quiet=self.quiet)
        self.bar.advance()


def _chosen(conditions: list[str]) -> dict[str, set[str]]:
    chosen: dict[str, set[str]] = {}
    for condition in conditions:
        column, equals, value = condition.partition("=")
        if not equals or not column:
            raise CommandError(f"--where takes COLUMN=VALUE, such as block=0. Received: {condition}")
        chosen.setdefault(column.strip(), set()).add(value.strip())
    return chosen
