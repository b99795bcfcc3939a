from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.refusals import WrongState
from inference.models import ModelVersion
from learning.comparison.comparison_figures import read_figures
from learning.comparison.requests import compare_models
from learning.models import Comparison, Dataset
from learning.training.request import parent_in_service
from ml.evaluation.judge import verdict_text


class Command(BaseCommand):
    help = "Compares a model with the one in service on test patients that neither has seen, and asks the gate."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument("version")
        parser.add_argument("--dataset", type=int, metavar="ID", help="the data set (the newest)")
        parser.add_argument(
            "--champion", nargs=2, metavar=("NAME", "VERSION"), help="compare with this one, not the one in service"
        )

    def handle(
        self, *args: Any, name: str, version: str, dataset: int | None, champion: list[str] | None, **options: Any
    ) -> None:
        try:
            comparison = compare_models(
                dataset=_dataset(dataset),
                champion=_model(*champion) if champion else parent_in_service(),
                challenger=_model(name, version),
            )
        except WrongState as error:
            raise CommandError(str(error)) from error
        self._tell(comparison)

    def _tell(self, comparison: Comparison) -> None:
        self.stdout.write(f"{comparison}: {comparison.challenger} against {comparison.champion}")
        self.stdout.write(verdict_text(comparison.figures))
        figures = read_figures(comparison.figures)
        if figures.left_out_reason:
            self.stdout.write(figures.left_out_reason)
        for finding in figures.gate.findings:
            self.stdout.write(f"{'yes' if finding.passed else 'NO '}  {finding.words}")
        self.stdout.write(f"The promotion criteria are {'met' if comparison.passed else 'not met'}.")


def _dataset(number: int | None) -> Dataset:
    found = Dataset.objects.first() if number is None else Dataset.objects.filter(pk=number).first()
    if found is None:
        raise CommandError("There is no such data set; `build_dataset` builds one.")
    return found


def _model(name: str, version: str) -> ModelVersion:
    found = ModelVersion.objects.filter(name=name, version=version).first()
    if found is None:
        raise CommandError(f"There is no model {name} {version}; `list_models` shows those registered.")
    return found
