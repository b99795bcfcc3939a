import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.refusals import WrongState
from learning.datasets.export import export_dataset
from learning.models import Dataset
from ml.progress import Progress


class Command(BaseCommand):
    help = "Writes a data set as a zip: the images and a manifest.csv with label, patient and split, no identity."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("dataset", type=int, metavar="ID")
        parser.add_argument("file", type=Path, metavar="FILE.zip")

    def handle(self, *args: Any, dataset: int, file: Path, **options: Any) -> None:
        found = Dataset.objects.filter(pk=dataset).first()
        if found is None:
            raise CommandError(f"There is no data set {dataset}; build one with manage.py build_dataset.")
        beside = file.with_name(f".{file.name}.part")
        try:
            archive = export_dataset(dataset=found, user=None)
            bar = Progress(f"Exporting {found}", len(archive), quiet=options["verbosity"] < 1)
            with beside.open("wb") as out:
                for chunk in archive:
                    out.write(chunk)
                    bar.advance(len(chunk))
            os.replace(beside, file)
        except WrongState as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"The export cannot be written: {error.strerror} ({error.filename}).") from error
        finally:
            beside.unlink(missing_ok=True)
        self.stdout.write(f"{found} written to {file}.")
