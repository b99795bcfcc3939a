"""Says whether a model's answer counts as positive, and by which probabilities it was decided, once for all rooms."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cases.models import Decision
from inference.models import ModelVersion, Prediction

MIDDLE = 0.5  # where an artefact names no threshold


@dataclass(frozen=True)
class Lines:
    """Holds three probabilities: “unlikely” is below `low`, “likely” from `high`, positive from `point`."""

    point: float
    low: float
    high: float
    are_stated: bool = True  # False where the artefact names none


def is_positive(*, decision: str | None, probability: float | None, point: float | None) -> bool:
    """As a confusion matrix counts: a clear answer as it is, any other by the probability at the operating point.

    Without a probability or a point an answer that is not clear counts as negative.
    """
    if decision in (Decision.COVID, Decision.NON_COVID):
        return decision == Decision.COVID
    return probability is not None and point is not None and probability >= point


def lines_of(prediction: Prediction) -> Lines:
    """Returns those that judged this answer: its site's, else the model's own for a lone slice or for a series."""
    if prediction.site_point is not None:
        point = prediction.site_point.point
        return Lines(point.operating_point, point.low, point.high)
    return own_lines(prediction.model_version, slices=prediction.scan.slice_count)


def own_lines(model: ModelVersion, *, slices: int) -> Lines:
    """Returns the model's own, as its artefact names them."""
    stated: Any = model.thresholds.get("slice" if slices == 1 else "scan")
    lines: Mapping[str, Any] = stated or {}
    point = lines.get("operating_point", lines.get("low", MIDDLE))
    low, high = lines.get("low"), lines.get("high")
    are_stated = low is not None and high is not None
    return Lines(float(point), float(point if low is None else low), float(point if high is None else high), are_stated)
