"""Stores data sets, training runs, comparisons and the periods in which models were in service."""

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
from learning.models.service import Entry, ServicePeriod
from learning.models.training import RUN_ERROR_LENGTH, UNFINISHED, Method, TrainingRun, TrainingStatus

__all__ = [
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
    "OverrideStatus",
    "PatientSplit",
    "ServicePeriod",
    "Split",
    "TrainingRun",
    "TrainingStatus",
]
