"""Turns slice logits into a scan's answer: one rule for evaluation, calibration and the portal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Decision = Literal["covid", "non_covid", "uncertain", "unsuitable"]
SuitabilityState = Literal["suitable", "unlike_training", "unsuitable"]


@dataclass(frozen=True)
class Aggregation:
    """A scan's logit is the mean of its highest slice logits: `count` of them, or `share` of a long series if more."""

    count: int = 3
    share: float = 0.1

    def weights(self, logits: np.ndarray, usable: np.ndarray | None = None) -> np.ndarray:
        """Returns each slice's share in the scan's logit.

        Args:
            logits: float `(N,)`.
            usable: bool `(N,)`; slices that count. None: all.

        Returns:
            float `(N,)`, sum 1, or all zero where no slice is usable.
        """
        usable = np.ones(len(logits), bool) if usable is None else np.asarray(usable, bool)
        weights = np.zeros(len(logits))
        candidates = np.flatnonzero(usable)
        if not len(candidates):
            return weights
        chosen = min(len(candidates), max(self.count, math.ceil(self.share * len(candidates))))
        highest = candidates[np.argsort(-np.asarray(logits)[candidates], kind="stable")[:chosen]]
        weights[highest] = 1.0 / chosen
        return weights

    def score(self, logits: np.ndarray, usable: np.ndarray | None = None) -> float:
        """The scan's logit; NaN where no slice is usable."""
        weights = self.weights(logits, usable)
        return float(weights @ np.asarray(logits, float)) if weights.any() else float("nan")


@dataclass(frozen=True)
class Calibration:
    """How a logit becomes a probability and a decision, for single slices or for whole scans.

    Attributes:
        slope, offset: probability = floor + (1 - floor) · sigmoid(slope · logit + offset); the slope is one over the
            temperature.
        floor: share of infected patients' answers that show nothing to the model: no answer is surer than that.
        operating_point: probability from which the answer is positive when nobody may abstain.
        low, high: between them the answer is "uncertain"; `low <= operating_point <= high`.
    """

    slope: float = 1.0
    offset: float = 0.0
    operating_point: float = 0.5
    low: float = 0.5
    high: float = 0.5
    floor: float = 0.0

    def probability(self, logit: np.ndarray | float) -> np.ndarray:
        """Returns the calibrated probability, 0–1, of the same shape."""
        z = np.clip(self.slope * np.asarray(logit, float) + self.offset, -60, 60)
        return self.floor + (1.0 - self.floor) / (1.0 + np.exp(-z))

    def decide(self, probability: float) -> Decision:
        if self.low <= probability < self.high:
            return "uncertain"
        return "covid" if probability >= self.operating_point else "non_covid"


@dataclass(frozen=True)
class Rules:
    """Everything that turns network outputs into answers. Stored in the artefact as its thresholds.

    Attributes:
        slice, scan: calibrations; a scan of one slice is judged by `slice`.
        aggregation: of slices into a scan.
        suitable: suitability from which a slice counts, 0–1.
        map_scale: map value that shows at full strength.
    """

    slice: Calibration = Calibration()
    scan: Calibration = Calibration()
    aggregation: Aggregation = Aggregation()
    suitable: float = 0.5
    map_scale: float = 1.0

    def to_json(self) -> dict[str, Any]:
        return {
            "slice": vars(self.slice),
            "scan": vars(self.scan),
            "aggregation": vars(self.aggregation),
            "suitable": self.suitable,
            "map_scale": self.map_scale,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Rules:
        return cls(
            Calibration(**values["slice"]),
            Calibration(**values["scan"]),
            Aggregation(**values["aggregation"]),
            values["suitable"],
            values["map_scale"],
        )

    def calibration(self, slices: int) -> Calibration:
        return self.slice if slices == 1 else self.scan

    def answer(self, logits: np.ndarray, suitability: np.ndarray) -> tuple[Decision, float, float, np.ndarray]:
        """Judge a scan.

        Args:
            logits: float `(N,)`, one for each slice.
            suitability: float `(N,)`, 0–1.

        Returns:
            decision, calibrated probability, the scan's suitability, and each slice's share in the answer. A scan
            with no suitable slice is unsuitable; its probability is that of all its slices, for information only.
        """
        usable = np.asarray(suitability) >= self.suitable
        overall = float(np.sort(suitability)[-math.ceil(len(suitability) / 3) :].mean())
        weights = self.aggregation.weights(logits, usable)
        calibration = self.calibration(len(logits))
        if not weights.any() or overall < self.suitable:
            score = self.aggregation.score(logits)
            return "unsuitable", float(calibration.probability(score)), min(overall, self.suitable), weights
        probability = float(calibration.probability(weights @ logits))
        return calibration.decide(probability), probability, overall, weights
