"""Extracts pooled features of a fixed backbone once and keeps them on disk image by image."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ml.atomic_write import replacing
from ml.images.data import Image
from ml.images.dicom import to_views
from ml.images.perturb import Change
from ml.images.preprocess import Preprocessing, prepare
from ml.model.engine import OpenVinoNetwork
from ml.model.topology import Topology, fold_grey, is_backbone
from ml.progress import Progress

_BATCH = 16


def read_view(image: Image) -> np.ndarray:
    """Reads the view of a labelled image, uint8 `(H, W)`; of a multi-frame file its first."""
    return to_views(image.path.read_bytes())[0]


class Described(NamedTuple):
    """Of N pictures: pooled features, float32 `(N, F)`; statistics, float32 `(N, K)`, from `ml.images.acquisition`;
    whether lungs were found, bool `(N,)`."""

    features: np.ndarray
    statistics: np.ndarray
    lungs_found: np.ndarray


class Backbone:
    """A frozen network that turns views into features, with a store on disk that survives a kill.

    Args:
        topology: which ResNet.
        weights: its arrays; a head is not needed.
        preprocessing: how views become inputs.
        store: folder for the features; None keeps nothing.
        threads: of the engine; 0 takes all cores.
    """

    def __init__(
        self,
        topology: Topology,
        weights: Mapping[str, np.ndarray],
        preprocessing: Preprocessing,
        *,
        store: Path | None = None,
        threads: int = 0,
    ) -> None:
        self.topology, self.preprocessing, self.store = topology, preprocessing, store
        self.weights = {name: value for name, value in fold_grey(weights).items() if is_backbone(name)}
        self._threads = threads
        self._network: OpenVinoNetwork | None = None
        self.key = network_digest(topology, preprocessing, self.weights, store=3)

    def features(self, images: Sequence[Image], *, quiet: bool = False, title: str = "features") -> np.ndarray:
        """Returns features of images, float32 `(N, F)`."""
        return self.describe(images, quiet=quiet, title=title).features

    def describe(
        self,
        images: Sequence[Image],
        *,
        change: Change | None = None,
        changed_by: str = "",
        quiet: bool = False,
        title: str = "features",
    ) -> Described:
        """Returns what the network and the preprocessing say of images.

        Args:
            images: to read.
            change: done to each view first, e.g. a rotation for the robustness table.
            changed_by: names the change in the store.
            quiet: no progress.
        """
        folder = self.store / self.key[:16] if self.store else None
        paths = [
            folder / f"{image.sha256}{changed_by and '-' + changed_by}.npy" if folder else None for image in images
        ]
        found: dict[int, np.ndarray] = {}
        for position, path in enumerate(paths):
            if path is not None and path.is_file():
                found[position] = np.load(path, allow_pickle=False)
        missing = [position for position in range(len(images)) if position not in found]
        progress = Progress(title, len(missing), quiet=quiet)
        for start in range(0, len(missing), _BATCH):
            chunk = missing[start : start + _BATCH]
            views = [read_view(images[position]) for position in chunk]
            rows = np.column_stack(self.of_views([change(view) for view in views] if change else views))
            for position, row in zip(chunk, rows, strict=True):
                found[position] = row
                _keep(paths[position], row)
            progress.advance(len(chunk))
        stacked = np.stack([found[position] for position in range(len(images))]).astype(np.float32)
        features, statistics, lungs = np.split(stacked, [self.topology.features, -1], axis=1)
        return Described(features, statistics, lungs[:, 0] > 0)

    def of_views(self, views: Sequence[np.ndarray]) -> Described:
        """Returns the same of views, uint8 `(H, W)` each."""
        parts, statistics, found = [], [], []
        for start in range(0, len(views), _BATCH):
            prepared = [prepare(view, self.preprocessing) for view in views[start : start + _BATCH]]
            features, _ = self._run(np.stack([p.pixels for p in prepared]), np.stack([p.lungs for p in prepared]))
            parts.append(features)
            statistics += [p.statistics for p in prepared]
            found += [p.framing.lungs_found for p in prepared]
        return Described(np.concatenate(parts), np.stack(statistics), np.array(found))

    def _run(self, pixels: np.ndarray, lungs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self._network is None:
            head = {
                "head/kernel": np.zeros((self.topology.features, 1), np.float32),
                "head/bias": np.zeros(1, np.float32),
            }
            weights = {**self.weights, **head}
            self._network = OpenVinoNetwork(self.topology, weights, self.preprocessing, threads=self._threads)
        return self._network.run(pixels, lungs)


def network_digest(
    topology: Topology, preprocessing: Preprocessing, weights: Mapping[str, np.ndarray], *, store: int
) -> str:
    """SHA-256 of what decides a network's outputs; `store` is the version of the format in which they are kept."""
    settings = {"topology": topology.to_json(), "preprocessing": preprocessing.to_json(), "store": store}
    hasher = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for name in sorted(weights):
        hasher.update(name.encode() + np.ascontiguousarray(weights[name], np.float32).tobytes())
    return hasher.hexdigest()


def _keep(path: Path | None, row: np.ndarray) -> None:
    if path is None:
        return
    with replacing(path, shared=True) as partial, partial.open("wb") as out:
        np.save(out, row.astype(np.float32), allow_pickle=False)
