"""Defines the command-line options of `retrain` and `judge`, and the settings they make."""

from __future__ import annotations

import argparse
from pathlib import Path

from ml.images.data import SIDES
from ml.model.topology import BLOCKS
from ml.training.retrain_settings import METHODS, RetrainSettings


def retrain_options(command: argparse.ArgumentParser) -> None:
    """Add every option of `retrain`; what is left out comes from the parent, or else is the recipe's default."""
    _data(command)
    command.add_argument("--out", type=Path, required=True, help="run folder; the same folder goes on after a kill")
    command.add_argument(
        "--method", choices=METHODS, required=True, help="head: frozen backbone, minutes; finetune: the network itself"
    )
    command.add_argument("--parent", type=Path, help="artefact folder whose network, input and weights it starts from")
    command.add_argument("--name", required=True, help="the model's name")
    command.add_argument("--version", required=True, help="the model's version")
    command.add_argument("--store", type=Path, help="keeps a frozen backbone's features between runs")
    command.add_argument("--seed", type=int, default=0)
    fine = command.add_argument_group("finetune")
    fine.add_argument("--epochs", type=int, help="at most; it stops early when the validation side gets no better")
    fine.add_argument("--head-epochs", type=int, help="first the head alone")
    fine.add_argument("--unfreeze", type=int, choices=(1, 2, 3, 4, 5), help="first stage to train")
    fine.add_argument("--batch", type=int, help="images in a step")
    fine.add_argument("--bag", type=int, help="slices of one scan that share a label (1: none)")
    fine.add_argument("--rate", type=float, help="peak learning rate of the network")
    fine.add_argument("--patience", type=int, help="epochs without a better score before it stops")
    fine.add_argument("--strength", type=float, help="of augmentation, 0 to 1")
    fine.add_argument("--mixup", type=float, help="Beta distribution's parameter, 0 for none")
    scratch = command.add_argument_group("from scratch", "only without --parent")
    scratch.add_argument("--architecture", choices=sorted(BLOCKS))
    scratch.add_argument("--stages", type=int, choices=(3, 4), help="3 ends after conv4")
    scratch.add_argument("--filters", type=int, help="of the first stage; 64 in every published ResNet")
    scratch.add_argument("--height", type=int, help="of the input, a multiple of 32")
    scratch.add_argument("--width", type=int, help="of the input, a multiple of 32")
    scratch.add_argument("--weights", help="none (default), imagenet (needs a network) or a path")


def retrain_settings(options: argparse.Namespace) -> RetrainSettings:
    """Returns the settings that the options say."""
    names = RetrainSettings.__dataclass_fields__
    return RetrainSettings(**{name: getattr(options, name) for name in names})


def judge_options(command: argparse.ArgumentParser) -> None:
    """Add every option of `judge`."""
    _data(command)
    command.add_argument("--champion", type=Path, required=True, help="artefact folder of the model in service")
    command.add_argument("--challenger", type=Path, required=True, help="artefact folder of the model to judge")
    command.add_argument("--out", type=Path, required=True, help="JSON file to write")
    command.add_argument("--split", choices=SIDES, default="test", help="which side of the set (default test)")
    command.add_argument("--device", choices=("auto", "openvino", "keras"), default="auto")


def _data(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data", type=Path, required=True, help="labelled folder whose manifest has a column split")
    command.add_argument("--check", action="store_true", help="compare every image with its SHA-256 first")
