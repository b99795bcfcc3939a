"""From any answer to its model, run, data set, labels and readers, and back from a scan to what it taught."""

from cases.models import Scan
from ctportal.accounts.models import User
from inference.models import Dataset, ModelVersion, Prediction
from inference.monitoring.traces import DatasetLineage, ModelLineage, PredictionLineage, ScanLineage

MOST_SCANS = 500


def lineage_of_prediction(prediction: Prediction, user: User) -> PredictionLineage:
    """Raises PermissionDenied where the user may not see the answer (yet)."""
    raise NotImplementedError


def lineage_of_model(model: ModelVersion, user: User) -> ModelLineage:
    raise NotImplementedError


def lineage_of_scan(scan: Scan, user: User) -> ScanLineage:
    raise NotImplementedError


def lineage_of_dataset(dataset: Dataset, user: User) -> DatasetLineage:
    raise NotImplementedError
