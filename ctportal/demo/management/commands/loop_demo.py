import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.refusals import WrongState
from ctportal.demo.learning_loop import LoopResult, run_loop
from learning.comparison.comparison_figures import Difference, read_figures

WEIGHTS = "weights/resnet50_imagenet_conv1-4.npz"


class Command(BaseCommand):
    help = (
        "Goes through the whole learning loop on the public data in CTPORTAL_DATA_DIR: import, training, cases, "
        "readers, retraining, comparison, promotion, reading again, rollback. Needs an empty portal."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--weights", default="", help="of the first model: a path, imagenet or none")
        parser.add_argument("--json", action="store_true", dest="as_json", help="print the figures as one JSON object")

    def handle(self, *args: Any, weights: str, as_json: bool, **options: Any) -> None:
        if not settings.CTPORTAL_DATA_DIR:
            raise CommandError("CTPORTAL_DATA_DIR is not set; it names the folder that holds sars-cov-2-ct.")
        folder = Path(settings.CTPORTAL_DATA_DIR)
        if not (folder / "sars-cov-2-ct" / "manifest.csv").is_file():
            raise CommandError(f"CTPORTAL_DATA_DIR ({folder.name}) holds no sars-cov-2-ct/manifest.csv.")
        try:
            result = run_loop(folder, weights=weights or _weights(folder), say=self._say)
        except WrongState as error:
            raise CommandError(str(error)) from error
        self.stdout.write(_as_json(result) if as_json else _table(result))

    def _say(self, text: str) -> None:
        self.stderr.write(text)


def _weights(folder: Path) -> str:
    """The ImageNet weights beside the data, where there are some; else Keras fetches them."""
    beside = folder.parent / WEIGHTS
    return str(beside) if beside.is_file() else "imagenet"


def _table(result: LoopResult) -> str:
    figures = read_figures(result.comparison.figures)
    lines = [
        "",
        f"{figures.n} scans of {figures.patients} test patients that neither model has seen, "
        f"{figures.positives} with COVID-19:",
        f"{'':<24}{'missed':>8}{'false alarms':>14}{'sensitivity':>13}{'specificity':>13}{'AUC':>8}",
    ]
    for title, model, side in (
        ("in service", result.first, figures.champion),
        ("retrained", result.second, figures.challenger),
    ):
        lines.append(
            f"{title + ': ' + str(model):<24.24}{side.missed:>8}{side.false_alarms:>14}"
            f"{side.sensitivity:>13.3f}{side.specificity:>13.3f}{side.auc:>8.3f}"
        )
    lines += [_difference(name, found) for name, found in figures.differences.items()]
    met = "met" if result.comparison.passed else "not met, overridden by two people"
    lines.append(f"Promotion criteria: {met}. {result.seconds:.0f} s in all.")
    return "\n".join(lines)


def _difference(name: str, found: Difference) -> str:
    interval = "too few to give one" if found.low is None else f"{found.low:+.3f} to {found.high:+.3f}"
    return f"{name:<12} {found.value:+.3f}  (95 % interval: {interval})"


def _as_json(result: LoopResult) -> str:
    return json.dumps(
        {
            "first": str(result.first),
            "second": str(result.second),
            "passed": result.comparison.passed,
            "reasons": result.comparison.reasons,
            "reread": result.reread,
            "in_service": str(result.in_service_at_the_end),
            "seconds": round(result.seconds, 1),
            "figures": result.comparison.figures,
        }
    )
