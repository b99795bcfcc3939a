"""Defines the command-line options that make a recipe, and the recipe they make."""

from __future__ import annotations

import argparse

from ml.images.preprocess import Preprocessing
from ml.model.topology import BLOCKS, Topology
from ml.training.recipe import Branching, Finetuning, Recipe


def recipe_options(command: argparse.ArgumentParser) -> None:
    """Add every option of a recipe; defaults are the shipped model's."""
    base, tuning = Recipe(), Finetuning()
    shape, input_ = base.topology, base.preprocessing
    group = command.add_argument_group("recipe")
    group.add_argument(
        "--mode",
        choices=("head", "branches", "finetune"),
        default=base.mode,
        help="head: frozen backbone, minutes; branches: tunes the last blocks for each data set; finetune: all",
    )
    group.add_argument("--architecture", choices=sorted(BLOCKS), default=shape.architecture)
    group.add_argument("--stages", type=int, choices=(3, 4), default=shape.stages, help="3 ends after conv4")
    group.add_argument("--taps", nargs="+", help="what feeds the head: a stage's mean (4), 4:rms, 4:spread or 4:peak")
    group.add_argument("--tap-weights", type=float, nargs="+", help="share of each tap; default with --taps: by size")
    group.add_argument(
        "--weights",
        default=base.weights,
        help="none, imagenet (needs a network), an archive, or the folder of the CT-pretrained packages (resnet152)",
    )
    group.add_argument("--joint", action="store_true", help="one head for all data sets, rules from hospitals left out")
    group.add_argument("--height", type=int, default=input_.height, help="of the input, a multiple of 32")
    group.add_argument("--width", type=int, default=input_.width, help="of the input, a multiple of 32")
    group.add_argument("--region", choices=("lungs", "view"), default=input_.region)
    group.add_argument("--levels", choices=("anchored", "hounsfield", "as_is"), default=input_.levels)
    group.add_argument(
        "--finder", choices=("aerated", "whole"), default=input_.finder, help="which lungs are looked at"
    )
    group.add_argument("--pooling", choices=("lungs", "everything"), default=input_.pooling)
    group.add_argument("--aspect", choices=("keep", "stretch"), default="keep" if input_.keep_aspect else "stretch")
    group.add_argument(
        "--penalty", type=float, nargs="+", default=list(base.penalties), help="of the head, to choose from"
    )
    group.add_argument("--variants", type=int, default=base.variants, help="augmented copies of each image (head)")
    group.add_argument("--specificity", type=float, default=base.specificity, help="the operating point keeps it")
    group.add_argument("--abstain", type=float, default=base.abstain, help="share that may be answered 'uncertain'")
    group.add_argument("--seed", type=int, default=base.seed)
    branch, tuned = command.add_argument_group("branches"), base.branching
    branch.add_argument("--steps", type=int, default=tuned.steps, help="of each branch, whatever the set's size")
    branch.add_argument("--branch-blocks", type=int, default=shape.branch_blocks, help="last blocks that are tuned")
    branch.add_argument("--branch-rate", type=float, default=tuned.rate, help="peak learning rate")
    branch.add_argument("--copies", type=int, default=tuned.copies, help="augmented copies of each image")
    fine = command.add_argument_group("finetune")
    fine.add_argument("--epochs", type=int, default=tuning.epochs)
    fine.add_argument("--head-epochs", type=int, default=tuning.head_epochs, help="first the head alone")
    fine.add_argument(
        "--unfreeze", type=int, choices=(1, 2, 3, 4, 5), default=tuning.unfreeze, help="first stage to train"
    )
    fine.add_argument("--batch", type=int, default=tuning.batch)
    fine.add_argument("--bag", type=int, default=tuning.bag, help="slices of one scan that share a label (1: none)")
    fine.add_argument("--rate", type=float, default=tuning.rate, help="peak learning rate of the network")
    fine.add_argument("--mixup", type=float, default=tuning.mixup)
    fine.add_argument("--strength", type=float, default=tuning.strength, help="of augmentation, 0 to 1")
    fine.add_argument("--patience", type=int, default=tuning.patience)


def make_recipe(options: argparse.Namespace) -> Recipe:
    """Returns the recipe that the options say."""
    base = Recipe()
    same = (options.architecture, options.stages) == (base.topology.architecture, base.topology.stages)
    last = options.stages + 1
    usual = (str(last - 1), f"{last - 1}:spread", f"{last}:spread") if options.mode == "branches" else (str(last),)
    taps = tuple(options.taps) if options.taps else base.topology.taps if same else usual
    weights = tuple(options.tap_weights or (base.tap_weights if same and not options.taps else ()))
    return Recipe(
        tap_weights=weights,
        topology=Topology(options.architecture, options.stages, taps, branch_blocks=options.branch_blocks),
        preprocessing=Preprocessing(
            height=options.height,
            width=options.width,
            region=options.region,
            keep_aspect=options.aspect == "keep",
            levels=options.levels,
            pooling=options.pooling,
            finder=options.finder,
        ),
        weights=options.weights,
        mode=options.mode,
        joint=options.joint,
        penalties=tuple(options.penalty),
        variants=options.variants,
        specificity=options.specificity,
        abstain=options.abstain,
        seed=options.seed,
        finetuning=Finetuning(
            epochs=options.epochs,
            head_epochs=options.head_epochs,
            unfreeze=options.unfreeze,
            batch=options.batch,
            bag=options.bag,
            rate=options.rate,
            mixup=options.mixup,
            strength=options.strength,
            patience=options.patience,
        ),
        branching=Branching(steps=options.steps, rate=options.branch_rate, copies=options.copies),
    )
