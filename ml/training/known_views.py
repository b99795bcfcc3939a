"""Which views a model has been shown, and how they look: read once, kept line by line, so that a kill costs nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ml.images.data import Collection, Image
from ml.images.decoding import view_digest, view_id
from ml.model.decision import Rules
from ml.model.drift_reference import describe_view, mean_description, reference_of
from ml.model.features import read_view
from ml.training.progress_file import UNRECORDED, Watch


@dataclass(frozen=True)
class KnownView:
    """Describes a training view: the digest of its pixels and its description, see `ml.model.drift_reference`."""

    digest: str
    description: dict[str, float]


def known_views(images: Sequence[Image], *, store: Path | None = None, watch: Watch = UNRECORDED) -> list[KnownView]:
    """Read every image.

    Args:
        images: to read.
        store: file that keeps what was read; None keeps nothing.
        watch: hears of a stage `reading`.
    """
    kept = _kept(store)
    fresh = [image for image in images if image.sha256 not in kept]
    watch.stage("reading", len(images), done=len(images) - len(fresh), title="views read")
    for image in fresh:
        view = read_view(image)
        kept[image.sha256] = KnownView(view_digest(view), describe_view(view))
        _keep(store, image.sha256, kept[image.sha256])
        watch.advance()
    return [kept[image.sha256] for image in images]


def training_views(collection: Collection, views: Sequence[KnownView]) -> list[str]:
    """What an artefact remembers of each view: its pixels' digest, and its key in the portal where it has one."""
    found = {view_id(f"sha256:{view.digest}") for view in views}
    found |= {view_id(image.view_key) for image in collection.images if image.view_key}
    return sorted(found)


def scan_descriptions(collection: Collection, views: Sequence[KnownView]) -> list[dict[str, float]]:
    """One description for each scan, as a portal describes a new one."""
    members: dict[str, list[dict[str, float]]] = {}
    for scan, view in zip(collection.scans, views, strict=True):
        members.setdefault(str(scan), []).append(view.description)
    return [mean_description(rows) for rows in members.values()]


def held_out_scores(logits: np.ndarray, scans: np.ndarray, rules: Rules) -> np.ndarray:
    """Calibrated probability of each scan from held-out slice logits, by the rule that the portal answers with."""
    _, number = np.unique(scans, return_inverse=True)
    scores = []
    for k in range(int(number.max(initial=-1)) + 1):
        own = logits[number == k]
        scores.append(float(rules.calibration(len(own)).probability(rules.aggregation.score(own))))
    return np.array(scores)


def provenance(
    collection: Collection, views: Sequence[KnownView], logits: np.ndarray, scans: np.ndarray, rules: Rules
) -> dict[str, Any]:
    """Returns the entries `reference` and `training_views` of an artefact.

    Args:
        collection, views: all that the model was shown, thresholds' side included.
        logits, scans: held-out slices, `(N,)` each.
        rules: of the model.
    """
    scores = held_out_scores(logits, scans, rules)
    return {
        "reference": reference_of(scores, scan_descriptions(collection, views)),
        "training_views": training_views(collection, views),
    }


def _kept(store: Path | None) -> dict[str, KnownView]:
    if store is None or not store.is_file():
        return {}
    kept = {}
    for line in store.read_text().splitlines():
        try:
            row = json.loads(line)
        except ValueError:  # cut short by a kill; the image is read again
            continue
        kept[row["sha256"]] = KnownView(row["digest"], row["description"])
    return kept


def _keep(store: Path | None, sha256: str, view: KnownView) -> None:
    if store is None:
        return
    line = json.dumps({"sha256": sha256, "digest": view.digest, "description": view.description})
    with store.open("a") as file:
        # A new line first: what a kill has cut short must not swallow it.
        file.write(f"\n{line}")
