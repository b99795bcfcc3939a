import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from cases.errors import WrongState
from ctportal.demo.learning_loop import LoopResult, run_loop

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
    figures = result.comparison.figures
    lines = [
        "",
        f"{figures['n']} scans of {figures['patients']} test patients that neither model has seen, "
        f"{figures['positives']} with COVID-19:",
        f"{'':<24}{'missed':>8}{'false alarms':>14}{'sensitivity':>13}{'specificity':>13}{'AUC':>8}",
    ]
    for title, model, side in (
        ("in service", result.first, figures["champion"]),
        ("retrained", result.second, figures["challenger"]),
    ):
        lines.append(
            f"{title + ': ' + str(model):<24.24}{side['false_negatives']:>8}{side['false_positives']:>14}"
            f"{side['sensitivity']:>13.3f}{side['specificity']:>13.3f}{side['auc']:>8.3f}"
        )
    for name, difference in figures["differences"].items():
        interval = f"{difference['low']:+.3f} to {difference['high']:+.3f}"
        lines.append(f"{name:<12} {difference['value']:+.3f}  (95 % interval {interval})")
    gate = "open" if result.comparison.passed else "closed, overridden by two people"
    lines.append(f"Gate: {gate}. {result.seconds:.0f} s in all.")
    return "\n".join(lines)


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
