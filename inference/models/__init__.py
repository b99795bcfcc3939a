"""Stores the models, what they answer for each scan, and the queue that these rows are."""

from inference.models.acceptance import AcceptanceChoice, SiteAcceptance
from inference.models.predictions import (
    ERROR_LENGTH,
    Prediction,
    PredictionQuerySet,
    PredictionStatus,
    SliceAnswer,
    SuitabilityState,
    Urgency,
)
from inference.models.versions import ModelStatus, ModelVersion

__all__ = [
    "ERROR_LENGTH",
    "AcceptanceChoice",
    "ModelStatus",
    "ModelVersion",
    "Prediction",
    "PredictionQuerySet",
    "PredictionStatus",
    "SiteAcceptance",
    "SliceAnswer",
    "SuitabilityState",
    "Urgency",
]
