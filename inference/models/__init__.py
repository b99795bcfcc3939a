"""What inference stores: models and their service, predictions, data sets, training runs, comparisons."""

from inference.models.predictions import (
    ERROR_LENGTH,
    Prediction,
    PredictionQuerySet,
    PredictionStatus,
    SliceAnswer,
    Urgency,
)
from inference.models.versions import Entry, ModelStatus, ModelVersion, ServicePeriod
from learning.models.comparisons import ComparedScan, Comparison, ComparisonRequest, GateOverride, OverrideStatus
from learning.models.datasets import (
    BaseImage,
    BaseSet,
    Dataset,
    DatasetScan,
    ExcludedScan,
    Exclusion,
    PatientSplit,
    Split,
)
from learning.models.training import RUN_ERROR_LENGTH, UNFINISHED, Method, TrainingRun, TrainingStatus

__all__ = [
    "ERROR_LENGTH",
    "RUN_ERROR_LENGTH",
    "UNFINISHED",
    "BaseImage",
    "BaseSet",
    "ComparedScan",
    "Comparison",
    "ComparisonRequest",
    "Dataset",
    "DatasetScan",
    "Entry",
    "ExcludedScan",
    "Exclusion",
    "GateOverride",
    "Method",
    "ModelStatus",
    "ModelVersion",
    "OverrideStatus",
    "PatientSplit",
    "Prediction",
    "PredictionQuerySet",
    "PredictionStatus",
    "ServicePeriod",
    "SliceAnswer",
    "Split",
    "TrainingRun",
    "TrainingStatus",
    "Urgency",
]
