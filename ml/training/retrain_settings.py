"""What a retraining is asked for, and the recipe that follows from it and from the parent."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from ml.images.data import DataError
from ml.images.preprocess import Preprocessing
from ml.model.artifact import Artifact
from ml.model.topology import Topology
from ml.training.recipe import Finetuning, Recipe

METHODS = ("head", "finetune")
_TUNED = ("epochs", "head_epochs", "unfreeze", "batch", "bag", "rate", "patience", "strength", "mixup")
_SCRATCH = ("architecture", "stages", "filters", "height", "width", "weights")
_HIGHEST_AVERAGE = 0.99
# A head is fitted first, and what the layers know is not to be shaken out of them in the first steps.
_GENTLE = Finetuning(head_epochs=0, rate=5e-5)


@dataclass(frozen=True)
class RetrainSettings:
    """What a retraining is asked for; None takes the parent's value, or the recipe's default.

    Attributes:
        method: `head` fits the last layer on the frozen backbone; `finetune` trains the network.
        name, version: of the model.
        parent: artefact folder that gives network, preprocessing and weights; None: from scratch.
        store: keeps a frozen backbone's features between runs; None: within the run, until it is done.
        seed: of everything random.
        epochs … mixup: see `ml.training.recipe.Finetuning`.
        architecture, stages, filters: the network from scratch; `filters` of its first stage.
        height, width: of its input.
        weights: where its backbone starts: `none`, `imagenet` or a path.
    """

    method: Literal["head", "finetune"]
    name: str
    version: str
    parent: Path | None = None
    store: Path | None = None
    seed: int = 0
    epochs: int | None = None
    head_epochs: int | None = None
    unfreeze: int | None = None
    batch: int | None = None
    bag: int | None = None
    rate: float | None = None
    patience: int | None = None
    strength: float | None = None
    mixup: float | None = None
    architecture: str | None = None
    stages: int | None = None
    filters: int | None = None
    height: int | None = None
    width: int | None = None
    weights: str | None = None


def recipe_of(settings: RetrainSettings, parent: Artifact | None, *, images: int) -> Recipe:
    """Returns the whole recipe.

    Args:
        settings: as asked for.
        parent: loaded from `settings.parent`.
        images: on the training side; a small set needs a shorter moving average.

    Raises:
        DataError: when the settings contradict each other or the parent.
    """
    _check(settings)
    recipe = _from_scratch(settings) if parent is None else _from_parent(parent)
    recipe = replace(recipe, mode=settings.method, seed=settings.seed)
    if settings.method == "head":
        return recipe
    given = {name: getattr(settings, name) for name in _TUNED if getattr(settings, name) is not None}
    tuning = replace(recipe.finetuning, **given)
    steps = max(1, images // max(1, tuning.batch))
    average = min(_HIGHEST_AVERAGE, max(0.0, 1 - 2 / steps))
    head_epochs = min(tuning.head_epochs, max(0, tuning.epochs - 1))
    return replace(recipe, finetuning=replace(tuning, average=average, head_epochs=head_epochs))


def _check(settings: RetrainSettings) -> None:
    if settings.method not in METHODS:
        raise DataError(f"The method is head or finetune. Received: {settings.method!r}")
    given = [name for name in _SCRATCH if getattr(settings, name) is not None]
    if settings.parent is not None and given:
        raise DataError(
            f"Network, input and weights come from the parent; leave out what says otherwise. "
            f"Received: {', '.join(given)}"
        )
    for name in ("epochs", "batch", "bag", "patience"):
        value = getattr(settings, name)
        if value is not None and value < 1:
            raise DataError(f"{name.capitalize()} must be 1 or more. Received: {value}")
    if settings.rate is not None and not 0 < settings.rate <= 1:
        raise DataError(f"The learning rate lies above 0 and is at most 1. Received: {settings.rate}")


def _from_parent(parent: Artifact) -> Recipe:
    """How the parent was made, as far as its card says; network and input are what its artefact holds."""
    said = parent.card.get("recipe", {})
    known = {name: said[name] for name in ("specificity", "abstain", "group_power", "variants") if name in said}
    recipe = replace(
        Recipe(**known),
        topology=Topology.from_json(parent.network),
        preprocessing=Preprocessing.from_json(parent.preprocessing),
        weights=str(parent.folder),
        penalties=tuple(said.get("penalties") or Recipe().penalties),
        finetuning=_GENTLE,
    )
    weights = tuple(said.get("tap_weights") or ())
    return replace(recipe, tap_weights=weights if len(weights) == len(recipe.topology.taps) else ())


def _from_scratch(settings: RetrainSettings) -> Recipe:
    base = Recipe()
    start = settings.weights or "none"
    topology = Topology(
        settings.architecture or base.topology.architecture,
        settings.stages or base.topology.stages,
        (str((settings.stages or base.topology.stages) + 1),),
        settings.filters or base.topology.width,
    )
    same = replace(topology, taps=base.topology.taps) == base.topology
    tap_weights: tuple[float, ...] = ()
    if same and start != "none":
        topology, tap_weights = base.topology, base.tap_weights
    height, width = settings.height or base.preprocessing.height, settings.width or base.preprocessing.width
    if min(height, width) < 32 or height % 32 or width % 32:
        raise DataError(f"Height and width are multiples of 32 pixels. Received: {height}×{width}")
    # Random layers must all learn.
    tuning = Finetuning(head_epochs=0, unfreeze=1, rate=1e-3) if start == "none" else _GENTLE
    return replace(
        base,
        topology=topology,
        tap_weights=tap_weights,
        preprocessing=replace(base.preprocessing, height=height, width=width),
        weights=start,
        finetuning=tuning,
    )


def settings_json(settings: RetrainSettings) -> dict[str, Any]:
    """What was asked for, without paths of this machine and what was left out."""
    paths = {"parent", "store", "weights"}
    return {f.name: v for f in fields(settings) if f.name not in paths and (v := asdict(settings)[f.name]) is not None}
