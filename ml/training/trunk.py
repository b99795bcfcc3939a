"""Stores what the branches of a network start from: the trunk's outputs, kept on disk image by image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ml.atomic_write import write_arrays
from ml.images.data import Image
from ml.images.perturb import variant, variant_name
from ml.images.preprocess import attention, prepare
from ml.model.engine import available_cpus
from ml.model.features import Described, network_digest, read_view
from ml.model.topology import fold_grey, is_backbone
from ml.progress import Progress
from ml.training.recipe import Recipe

_BATCH = 16
PLAIN = -1  # the picture itself, not one of its augmented copies


class TrunkRow(NamedTuple):
    """Of one picture: the trunk's output, float16 `(h, w, C)`; how much each of its cells counts, float32 `(h, w)`; the
    features that all branches share, float32 `(S,)`."""

    output: np.ndarray
    share: np.ndarray
    shared: np.ndarray


class Trunk:
    """The frozen part of a branched network, with a store on disk that survives a kill.

    A picture of 224×224 takes 0.4 MB in the store, and each of its augmented copies as much.

    Args:
        recipe: its topology says where the branches begin, its preprocessing how views become inputs.
        weights: of the whole network.
        store: folder for the outputs.
        threads: of the engine; 0 takes all cores.
    """

    def __init__(self, recipe: Recipe, weights: Mapping[str, np.ndarray], store: Path, *, threads: int = 0) -> None:
        import openvino as ov

        from ml.model.graph import build_trunk

        # One branch alone would be a plain network, cut nowhere.
        self.topology = replace(recipe.topology, branches=max(2, recipe.topology.branches))
        self.recipe = recipe
        self.weights = {name: value for name, value in fold_grey(weights).items() if is_backbone(name)}
        self.key = network_digest(self.topology, recipe.preprocessing, self.weights, store=1)
        self._store = store / f"trunk-{self.key[:16]}"
        self._settings = recipe.preprocessing
        size = {"height": self._settings.height, "width": self._settings.width}
        self._grid = self.topology.grid(**size)
        precision = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads or available_cpus()}
        self._network = ov.Core().compile_model(build_trunk(self.topology, self.weights, **size), "CPU", precision)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Returns the shape of an output: rows, columns, channels."""
        factor = 2 ** (self.topology.last - self.topology.finest)
        channels = self.topology.stage_filters(self.topology.last) // self.topology.branches
        return self._grid[0] // factor, self._grid[1] // factor, channels

    def fill(self, images: Sequence[Image], *, copies: int = 0, quiet: bool = False) -> None:
        """Compute what the store lacks of the images and of so many of their copies."""
        for copy in range(PLAIN, copies):
            missing = [image for image in images if not self._path(image, copy).is_file()]
            title = "trunk" if copy == PLAIN else f"trunk, copy {copy + 1} of {copies}"
            progress = Progress(title, len(missing), quiet=quiet)
            for start in range(0, len(missing), _BATCH):
                chunk = missing[start : start + _BATCH]
                self._compute(chunk, copy)
                progress.advance(len(chunk))

    def describe(self, images: Sequence[Image], copy: int = PLAIN) -> Described:
        """The features that all branches share, and the rest as `ml.model.features.Backbone.describe` has it."""
        shared, statistics, found = [], [], []
        for image in images:
            with self._open(image, copy) as held:
                shared.append(held["shared"])
                statistics.append(held["statistics"])
                found.append(bool(held["lungs_found"]))
        return Described(np.stack(shared), np.stack(statistics), np.array(found))

    def row(self, image: Image, copy: int = PLAIN) -> TrunkRow:
        with self._open(image, copy) as held:
            return TrunkRow(held["output"], held["share"], held["shared"])

    def _open(self, image: Image, copy: int) -> np.lib.npyio.NpzFile:
        path = self._path(image, copy)
        if not path.is_file():
            self._compute([image], copy)
        return np.load(path, allow_pickle=False)

    def _path(self, image: Image, copy: int) -> Path:
        suffix = "" if copy == PLAIN else f"-{variant_name(copy, self.recipe.seed)}"
        return self._store / f"{image.sha256}{suffix}.npz"

    def _compute(self, images: Sequence[Image], copy: int) -> None:
        views = [read_view(image) for image in images]
        if copy != PLAIN:
            views = [variant(copy, self.recipe.seed)(view) for view in views]
        prepared = [prepare(view, self._settings) for view in views]
        share = attention(np.stack([p.lungs for p in prepared]), self._grid, self._settings)
        pixels = np.stack([p.pixels for p in prepared])[:, None].astype(np.float32)
        result = self._network([pixels, share])
        coarse = _gathered(share, 2 ** (self.topology.last - self.topology.finest))
        for number, image in enumerate(images):
            row = {
                "output": result["trunk"][number],
                "share": coarse[number],
                "shared": result["shared"][number],
                "statistics": prepared[number].statistics,
                "lungs_found": np.array(prepared[number].framing.lungs_found),
            }
            write_arrays(self._path(image, copy), row, shared=True)


def _gathered(share: np.ndarray, factor: int) -> np.ndarray:
    """Sum the shares `(N, h, w)` of each coarse cell's fine cells."""
    count, rows, columns = share.shape
    return share.reshape(count, rows // factor, factor, columns // factor, factor).sum(axis=(2, 4))
