"""Run a model over scans: OpenVINO on a CPU, Keras on a GPU, one interface and the same answers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ml.images.preprocess import Prepared, Preprocessing, attention, prepare, register
from ml.model.artifact import Artifact
from ml.model.decision import Decision, Rules, SuitabilityState
from ml.model.experts import Experts
from ml.model.suitability import Suitability
from ml.model.topology import Topology

MAP_SIDE = 64
_BATCH = {"openvino": 8, "keras": 32}


@dataclass(frozen=True)
class SliceAnswer:
    """Holds one slice's part.

    Attributes:
        probability: calibrated, of this slice alone, 0–1.
        weight: its share in the scan's answer, 0–1.
        suitability: 0–1, how much it looks like the chest CTs that the model knows.
        map: uint8 `(h, w)`, long side 64, over the whole view: evidence for COVID-19, on one scale for all scans.
    """

    probability: float
    weight: float
    suitability: float
    map: np.ndarray


@dataclass(frozen=True)
class ScanAnswer:
    """A scan's answer: the decision, the calibrated probability, how suitable the scan is, and its slices.

    `suitability_state` says in a word whether the scan can be judged, and whether it looks like the training data.
    """

    decision: Decision
    probability: float
    suitability: float
    slices: tuple[SliceAnswer, ...]
    suitability_state: SuitabilityState = "suitable"


@dataclass(frozen=True)
class ScanFailure:
    """In the place of an answer: this scan could not be read, the others could. `message` carries no patient data."""

    message: str


class Network(Protocol):
    """Types the bare network behind an engine."""

    name: str

    def run(self, pixels: np.ndarray, lungs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """From pixels and lungs, uint8 `(N, height, width)`, to features `(N, F)` and maps `(N, E, h, w)`."""


class Engine:
    """Answers for scans, from views to decisions.

    Example:
        >>> engine = load_engine(load_artifact("ml/pretrained/resnet50-s3"))
        >>> answer, = engine.predict([[view]])          # one scan of one slice, uint8 (H, W)
        >>> answer.decision, round(answer.probability, 2)
    """

    def __init__(
        self, artifact: Artifact, network: Network, experts: Experts, suitability: Suitability, *, batch: int
    ) -> None:
        self.artifact, self.network, self.batch = artifact, network, batch
        self._experts = experts
        self.name = network.name
        self.preprocessing = Preprocessing.from_json(artifact.preprocessing)
        self.rules = Rules.from_json(artifact.thresholds)
        self._suitability = suitability

    def predict(self, scans: Sequence[Sequence[np.ndarray]]) -> list[ScanAnswer | ScanFailure]:
        """Judge scans.

        Args:
            scans: for each scan its views in anatomical order, uint8 `(H, W)`, 0–255, of any sizes.

        Returns:
            An answer for each scan, in order. A scan that cannot be read yields a `ScanFailure` in its place and
            never disturbs the others. Slices of all scans run together in bounded batches.
        """
        outputs: list[list[_SliceOutput]] = [[] for _ in scans]
        failures: dict[int, ScanFailure] = {}
        for batch in _batches(self._prepared(scans, failures), self.batch):
            features, maps = self._run([prepared for _, prepared in batch])
            found = np.array([prepared.framing.lungs_found for _, prepared in batch])
            suitability = self._suitability.score(features, found)
            for (number, prepared), map_, score in zip(batch, maps, suitability, strict=True):
                shown = register(np.maximum(map_, 0.0), prepared.framing, long_side=MAP_SIDE)
                outputs[number].append(_SliceOutput(float(map_.mean()), float(score), shown))
        return [
            failures[number] if number in failures else self._answer(slices) for number, slices in enumerate(outputs)
        ]

    def network_map(self, view: np.ndarray) -> np.ndarray:
        """Returns the signed class-activation map of one view, laid over the whole of it, in logits; for research."""
        prepared = prepare(view, self.preprocessing)
        _, maps = self._run([prepared])
        return register(maps[0], prepared.framing, long_side=MAP_SIDE)

    def _run(self, batch: Sequence[Prepared]) -> tuple[np.ndarray, np.ndarray]:
        """Features `(N, F)` and the heads' mixed maps `(N, h, w)`, whose means are the logits."""
        features, maps = self.network.run(np.stack([p.pixels for p in batch]), np.stack([p.lungs for p in batch]))
        shares = self._experts.shares(features, np.stack([p.statistics for p in batch]))
        return features, np.einsum("ne,nehw->nhw", shares, maps)

    def _prepared(
        self, scans: Sequence[Sequence[np.ndarray]], failures: dict[int, ScanFailure]
    ) -> Iterator[tuple[int, Prepared]]:
        for number, views in enumerate(scans):
            if not len(views):
                failures[number] = ScanFailure("The scan holds no slices; upload it again.")
            for position, view in enumerate(views, start=1):
                try:
                    prepared = prepare(view, self.preprocessing)
                except (ValueError, TypeError) as error:
                    failures[number] = ScanFailure(f"Slice {position} cannot be read. {error}")
                    break
                yield number, prepared

    def _answer(self, slices: list[_SliceOutput]) -> ScanAnswer:
        logits = np.array([s.logit for s in slices])
        suitability = np.array([s.suitability for s in slices])
        if not (np.isfinite(logits).all() and np.isfinite(suitability).all()):
            raise FloatingPointError(f"The network {self.name} returned numbers that are not finite.")
        decision, probability, overall, weights = self.rules.answer(logits, suitability)
        alone = self.rules.slice.probability(logits)
        return ScanAnswer(
            decision,
            probability,
            overall,
            tuple(
                SliceAnswer(float(p), float(w), s.suitability, self._visible(s.map))
                for p, w, s in zip(alone, weights, slices, strict=True)
            ),
        )

    def _visible(self, map_: np.ndarray) -> np.ndarray:
        return np.round(np.clip(map_ / self.rules.map_scale, 0, 1) * 255).astype(np.uint8)


@dataclass(frozen=True)
class _SliceOutput:
    logit: float
    suitability: float
    map: np.ndarray


class OpenVinoNetwork:
    """Runs the network on a CPU, built from the artefact's weights without Keras."""

    def __init__(
        self, topology: Topology, weights: dict[str, np.ndarray], preprocessing: Preprocessing, *, threads: int = 0
    ) -> None:
        import openvino as ov

        from ml.model.graph import build_graph

        graph = build_graph(topology, weights, height=preprocessing.height, width=preprocessing.width)
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads or available_cpus(),
        }
        self.name = "openvino-cpu"
        self._preprocessing = preprocessing
        self._grid = topology.grid(preprocessing.height, preprocessing.width)
        self._compiled = ov.Core().compile_model(graph, "CPU", settings)

    def run(self, pixels: np.ndarray, lungs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        share = attention(lungs, self._grid, self._preprocessing)
        result = self._compiled([pixels[:, None].astype(np.float32), share])
        return result["features"].copy(), result["map"].copy()


class KerasNetwork:
    """The network in Keras, on whatever device its backend has."""

    def __init__(self, topology: Topology, weights: dict[str, np.ndarray], preprocessing: Preprocessing) -> None:
        import keras

        from ml.model.resnet import build_resnet, load_weights

        self._preprocessing = preprocessing
        self._grid = topology.grid(preprocessing.height, preprocessing.width)
        experts = weights["head/kernel"].shape[1]
        self._model = build_resnet(topology, height=preprocessing.height, width=preprocessing.width, experts=experts)
        load_weights(self._model, weights, need_head=True)
        device = keras.distribution.list_devices()[0].split(":")[0]
        self.name = f"keras-{keras.backend.backend()}-{device}"

    def run(self, pixels: np.ndarray, lungs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        share = attention(lungs, self._grid, self._preprocessing)
        inputs = {"image": pixels[..., None].astype(np.float32), "attention": share}
        result: dict[str, Any] = self._model.predict_on_batch(inputs)
        return np.asarray(result["features"]), np.asarray(result["map"])


def load_engine(artifact: Artifact, *, device: str = "auto", threads: int = 0) -> Engine:
    """Make an engine from a checked model folder.

    Args:
        artifact: from `load_artifact`.
        device: `auto` (a GPU through Keras where one is seen, else OpenVINO, else Keras), `openvino`, `keras`.
        threads: for OpenVINO; 0 takes the cores this process may use.

    Raises:
        ArtifactError: when the weights do not fit the network.
        ValueError: for an unknown device.
    """
    if device not in ("auto", "openvino", "keras"):
        raise ValueError(f"The device is auto, openvino or keras. Received: {device!r}")
    topology = Topology.from_json(artifact.network)
    weights = artifact.weights()
    suitability = Suitability.from_arrays(weights)
    preprocessing = Preprocessing.from_json(artifact.preprocessing)
    if device == "auto":
        device = _best_device()
    network: Network
    if device == "openvino":
        network = OpenVinoNetwork(topology, weights, preprocessing, threads=threads)
    else:
        network = KerasNetwork(topology, weights, preprocessing)
    return Engine(artifact, network, Experts.from_arrays(weights), suitability, batch=_BATCH[device])


def available_cpus() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _best_device() -> str:
    from importlib.util import find_spec

    if find_spec("openvino") is None:
        return "keras"
    return "keras" if _gpu_is_seen() else "openvino"


def _gpu_is_seen() -> bool:
    """Whether an NVIDIA GPU is visible; asked of the driver so that no framework is loaded for the answer."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    return os.path.exists("/dev/nvidia0") and not hidden


def _batches(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
