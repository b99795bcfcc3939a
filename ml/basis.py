"""The directions of a second-order tap: what varies most in the lungs, found without any label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import openvino as ov

from ml.images.data import Image
from ml.images.preprocess import Preprocessing, attention, prepare
from ml.model.engine import available_cpus
from ml.model.features import read_view
from ml.model.graph import build_stage
from ml.model.topology import SECOND_DIRECTIONS, Topology, fold_grey
from ml.progress import Progress


def fit_basis(
    topology: Topology,
    weights: Mapping[str, np.ndarray],
    preprocessing: Preprocessing,
    images: Sequence[Image],
    stage: int,
    *,
    quiet: bool = False,
) -> dict[str, np.ndarray]:
    """Whitened main directions of the square-rooted stage output inside the lungs.

    Args:
        topology, weights, preprocessing: of the backbone.
        images: looked at without their labels; every image weighs the same.
        stage: whose output is described.

    Returns:
        `head/basis{stage}_mean` `(C,)` and `head/basis{stage}_directions` `(C, 48)`, to join the weights.
    """
    size = topology.stage_filters(stage)
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": available_cpus()}
    graph = build_stage(topology, fold_grey(weights), stage, height=preprocessing.height, width=preprocessing.width)
    network = ov.Core().compile_model(graph, "CPU", settings)
    total, products = np.zeros(size), np.zeros((size, size))
    progress = Progress("directions", len(images), quiet=quiet)
    for image in images:
        prepared = prepare(read_view(image), preprocessing)
        output = np.sqrt(network([prepared.pixels[None, None].astype(np.float32)])["stage"][0])
        share = attention(prepared.lungs[None], output.shape[1:], replace(preprocessing, pooling="lungs"))[0]
        cells = output.reshape(size, -1) * np.sqrt(share.reshape(1, -1))
        total += (output * share).sum(axis=(1, 2))
        products += cells @ cells.T
        progress.advance()
    mean = total / len(images)
    covariance = products / len(images) - np.outer(mean, mean)
    values, vectors = np.linalg.eigh(covariance)
    values, vectors = values[::-1][:SECOND_DIRECTIONS], vectors[:, ::-1][:, :SECOND_DIRECTIONS]
    # The sign of an eigenvector is arbitrary: its largest entry is made positive, so that the basis repeats.
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])])
    directions = vectors / np.sqrt(np.maximum(values, 1e-9 * values[0]))
    return {f"head/basis{stage}_mean": mean, f"head/basis{stage}_directions": directions}
