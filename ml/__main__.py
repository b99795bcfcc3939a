"""Parses the command line: `python -m ml COMMAND --help`.

Labelled folders hold a `manifest.csv` with the columns file,label,group and, where known, scan, block and sha256:
`group` is the patient, never on both sides of a split; `scan` is what is judged together, by default the group.
Results go to standard output, as JSON with --json; progress goes to standard error.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ml.images.data import SPLITS, DataError
from ml.model.artifact import ArtifactError, finite
from ml.training.loop_options import judge_options, retrain_options
from ml.training.options import recipe_options

EXAMPLES = """\
examples, in the order of use:
  python -m ml train --data DATA --weights WEIGHTS.npz --out runs/first       fit a head on a frozen ResNet-50 (minutes)
  python -m ml train --data DATA --mode finetune --weights imagenet --out ... train the network itself (wants a GPU)
  python -m ml crossval --data DATA --split blocks --weights WEIGHTS.npz      honest figures on unseen stretches
  python -m ml evaluate --model runs/first/model --data OTHER --report r.html figures, curves and worst misses
  python -m ml predict --model ml/pretrained/resnet50-s3 slice.png --json     answer for one picture or series
  python -m ml export --run runs/first --out MODEL --name my-model            a folder that the portal can register
  python -m ml compare --model A B --data DATA                                two models on the same images
  python -m ml sweep --data DATA --depths 18 34 50 --out runs/sweep           many settings, one table
  python -m ml evaluate-maps --model M --data LESIONS                         do the maps point at disease?
  python -m ml robustness --model M --data DATA                               rotation, window, JPEG, noise, text ...
  python -m ml model --data DATA --data OTHER --weights WEIGHTS.npz --out M   the shipped model with all its tables
  python -m ml retrain --data SET --out RUN --method head --parent M --name N --version V   from decisions to a model
  python -m ml judge --data SET --champion A --challenger B --out FILE.json   both on the patients that neither has seen

Research use; not a medical device.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = parser().parse_args(arguments)
    try:
        # Only the command that runs loads what it needs: --help and a typing error answer at once.
        run = getattr(importlib.import_module("ml.commands"), options.command.replace("-", "_"))
        result = run(options)
    except (ArtifactError, DataError, ValueError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped. The same command goes on from here.\n")
        return 130
    if result is not None:
        text, value = result
        sys.stdout.write((json.dumps(finite(value), allow_nan=False) if options.json else text) + "\n")
    return 0


def parser() -> argparse.ArgumentParser:
    """Returns the whole command line."""
    top = argparse.ArgumentParser(
        prog="python -m ml", description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_training(commands)
    _add_measuring(commands)
    _add_studies(commands)
    retrain_options(_command(commands, "retrain", "a new model from a data set with fixed sides; resumable"))
    judge_options(_command(commands, "judge", "champion against challenger on the same patients, scan by scan"))
    return top


def _add_training(commands: Any) -> None:
    """Adds the commands that train a model."""
    train = _command(commands, "train", "train one model into a run folder; resumable")
    _data(train)
    recipe_options(train)
    train.add_argument("--out", type=Path, required=True, help="run folder; the same folder goes on after a kill")
    train.add_argument(
        "--split", choices=SPLITS, default="patients", help="with --fold: how to hold out (random leaks)"
    )
    train.add_argument("--fold", type=int, help="hold out this fold (from 0) and measure on it; else train on all")
    train.add_argument("--name", default="", help="the model's name")
    train.add_argument("--version", default="0.1.0", help="the model's version")

    crossval = _command(commands, "crossval", "cross-validate a recipe on honest splits; resumable")
    _data(crossval)
    recipe_options(crossval)
    crossval.add_argument("--split", choices=SPLITS, default="blocks", help="blocks, patients, or random (leaks)")
    crossval.add_argument("--folds", type=int, default=5, help="for patients and random (default 5)")
    crossval.add_argument(
        "--extra", type=Path, action="append", default=[], help="labelled folder for every train side"
    )
    crossval.add_argument("--out", type=Path, required=True, help="folder that keeps finished folds")


def _add_measuring(commands: Any) -> None:
    """Adds the commands that use or measure one."""
    evaluate = _command(commands, "evaluate", "measure a model on labelled images in which the label shows")
    _data(evaluate)
    _model(evaluate)
    evaluate.add_argument("--train-data", type=Path, action="append", default=[], help="train the baselines on this")
    evaluate.add_argument("--report", type=Path, help="write an HTML report here")

    predict = _command(commands, "predict", "answer for image or DICOM files")
    _model(predict)
    predict.add_argument("files", type=Path, nargs="+", help="files, or folders of one series each")
    predict.add_argument("--together", action="store_true", help="all files are slices of one scan")
    predict.add_argument("--maps", type=Path, help="write class-activation maps as PNG into this folder")

    maps = _command(commands, "evaluate-maps", "hold a model's maps and lungs against a doctor's lesion masks")
    maps.add_argument("--data", type=Path, required=True, help="folder with images/ and masks/")
    _model(maps)

    export = _command(commands, "export", "copy a run's model into a folder of its own")
    export.add_argument("--run", type=Path, required=True, help="run folder of train", dest="source")
    export.add_argument("--out", type=Path, required=True, help="folder of the artefact")
    export.add_argument("--name", help="new name")
    export.add_argument("--version", help="new version")
    export.add_argument("--openvino", type=Path, help="also write the graph as OpenVINO IR (.xml) here")

    compare = _command(commands, "compare", "several models on the same images, missed infections first")
    _data(compare)
    compare.add_argument("--model", type=Path, nargs="+", required=True, help="artefact folders")
    compare.add_argument("--device", choices=("auto", "openvino", "keras"), default="auto")


def _add_studies(commands: Any) -> None:
    """Adds the commands that compare settings, describe a model and build the shipped one."""
    sweep = _command(commands, "sweep", "many settings, one table by missed infections; resumable")
    _data(sweep)
    recipe_options(sweep)
    sweep.add_argument("--depths", type=int, nargs="+", choices=(18, 34, 50), default=[50], help="default: 50")
    sweep.add_argument("--batches", type=int, nargs="+", default=[32], help="batch sizes (default 32)")
    sweep.add_argument("--epoch-counts", type=int, nargs="+", default=[12], help="epochs (default 12)")
    sweep.add_argument("--sizes", type=int, nargs="+", default=[224], help="input height; width follows (default 224)")
    sweep.add_argument("--split", choices=SPLITS, default="patients")
    sweep.add_argument("--fold", type=int, default=0)
    sweep.add_argument("--out", type=Path, required=True, help="folder of the runs")

    card = _command(commands, "card", "what a model is and how well it does")
    card.add_argument("folder", type=Path, help="artefact folder")

    bench = _command(commands, "bench", "how long one slice takes on this machine")
    bench.add_argument("folder", type=Path, help="artefact folder")
    bench.add_argument("--device", choices=("auto", "openvino", "keras"), default="auto")
    bench.add_argument("--threads", type=int, default=0, help="for OpenVINO; default: all cores")

    robust = _command(commands, "robustness", "a model under rotation, window, JPEG, noise, text and more")
    _data(robust)
    _model(robust)
    robust.add_argument("--limit", type=int, default=400, help="images at most, evenly taken (default 400)")

    model = _command(commands, "model", "the shipped model: cross-validation, tables, artefact; resumable")
    _data(model)
    recipe_options(model)
    model.add_argument("--out", type=Path, required=True, help="folder of the artefact")
    model.add_argument("--work", type=Path, default=Path("runs/model"), help="keeps features and folds (runs/model)")
    model.add_argument("--version", default="1.2.0", help="of the model")
    model.set_defaults(mode="branches")
    model.add_argument("--stress", type=Path, action="append", default=[], help="labelled folder that is only tested")
    model.add_argument("--baseline", default="", help="ImageNet weights of ResNet-50, for the comparison")


def _command(commands: Any, name: str, text: str) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.add_argument("--quiet", action="store_true", help="no progress")
    return command


def _data(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data", type=Path, action="append", required=True, help="labelled folder; may be repeated")
    command.add_argument("--check", action="store_true", help="compare every image with its SHA-256 first")


def _model(command: argparse.ArgumentParser) -> None:
    command.add_argument("--model", type=Path, required=True, help="artefact folder")
    command.add_argument("--device", choices=("auto", "openvino", "keras"), default="auto")


if __name__ == "__main__":
    sys.exit(main())
