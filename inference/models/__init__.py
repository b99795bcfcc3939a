"""Stores the models, what they answer for each scan, and the queue that these rows are."""

from inference.models.predictions import (
    ERROR_LENGTH,
    Prediction,
    PredictionQuerySet,
    PredictionStatus,
    SliceAnswer,
    Urgency,
)
from inference.models.versions import ModelStatus, ModelVersion

__all__ = [
    "ERROR_LENGTH",
    "ModelStatus",
    "ModelVersion",
    "Prediction",
    "PredictionQuerySet",
    "PredictionStatus",
    "SliceAnswer",
    "Urgency",
]
