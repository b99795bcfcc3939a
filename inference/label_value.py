"""Computes how useful a reader's label of a scan would be for training the next model.

Three things make a label worth more than another: the model is unsure, the picture is unlike those that the model
has learnt from, or models disagree. The largest of the three counts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from cases.casework import lock_case
from cases.models import Decision, Scan
from cases.summaries import record_label_value
from inference.models import ModelStatus, Prediction, PredictionStatus
from inference.operating_point import MIDDLE, lines_of

OPPOSITES = {str(Decision.COVID), str(Decision.NON_COVID)}


@dataclass(frozen=True)
class Opinion:
    """What one model says of a scan, and where it draws its lines: all of them 0 to 1."""

    decision: str
    probability: float
    suitability: float = 1.0
    point: float = MIDDLE
    low: float = MIDDLE
    high: float = MIDDLE
    suitable: float = 0.0


def label_value(standing: Opinion, others: Iterable[Opinion] = ()) -> float:
    """0 to 1; nothing for a scan that is not suitable, since no training takes it."""
    if standing.decision == Decision.UNSUITABLE:
        return 0.0
    usable = [other for other in others if other.decision != Decision.UNSUITABLE]
    return max(uncertainty(standing), novelty(standing), *(disagreement(standing, other) for other in usable), 0.0)


def uncertainty(opinion: Opinion) -> float:
    """1 between the lines where the model leaves the decision to the reader, 0 where it is sure."""
    if opinion.probability > opinion.high:
        return (1 - opinion.probability) / (1 - opinion.high)
    if opinion.probability < opinion.low:
        return opinion.probability / opinion.low
    return 1.0


def novelty(opinion: Opinion) -> float:
    """1 at the limit of what the model takes for a chest CT that it knows, 0 far inside."""
    if not 0 < opinion.suitable < 1 or opinion.suitability < opinion.suitable:
        return 0.0
    return (1 - opinion.suitability) / (1 - opinion.suitable)


def disagreement(one: Opinion, other: Opinion) -> float:
    """Returns 1 for opposite decisions, else the distance between the probabilities."""
    if {one.decision, other.decision} == OPPOSITES:
        return 1.0
    return abs(one.probability - other.probability)


def label_value_of(scan_id: int) -> float:
    """Compares the current answer with those of earlier models and of the shadow; zero where there is none."""
    done = Prediction.objects.filter(scan=scan_id, status=PredictionStatus.DONE)
    rows = list(
        done.exclude(model_version__status=ModelStatus.REFUSED).select_related("model_version", "scan", "site_point")
    )
    standing = [row for row in rows if row.pk == row.scan.prediction_id]
    if not standing:
        return 0.0
    return label_value(opinion_of(standing[0]), [opinion_of(row) for row in rows if row not in standing])


def opinion_of(prediction: Prediction) -> Opinion:
    thresholds: dict[str, Any] = prediction.model_version.thresholds
    lines = lines_of(prediction)
    return Opinion(
        decision=str(prediction.decision),
        probability=prediction.probability or 0.0,
        suitability=1.0 if prediction.suitability is None else prediction.suitability,
        point=lines.point,
        low=lines.low,
        high=lines.high,
        suitable=thresholds.get("suitable") or 0.0,
    )


def refresh_label_values(scans: Sequence[Scan]) -> None:
    """After something beside an answer changed what counts."""
    for scan in scans:
        with transaction.atomic():
            lock_case(scan.case_id)
            record_label_value(scan_id=scan.pk, label_value=label_value_of(scan.pk))
