"""A whole and valid model folder, too small to be worth loading; no Django here."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ml.model.artifact import save_artifact

CALIBRATION = {"slope": 1.0, "offset": 0.0, "operating_point": 0.5, "low": 0.3, "high": 0.6}


def write_model(
    folder: Path, *, name: str = "resnet-test", version: str = "1", training_views: Sequence[str] = ()
) -> Path:
    save_artifact(
        folder,
        description={
            "name": name,
            "version": version,
            "architecture": "resnet-test",
            "network": {},
            "preprocessing": {},
            "thresholds": {"slice": CALIBRATION, "scan": CALIBRATION, "suitable": 0.5},
            "metrics": {},
            "card": {},
            "training_views": list(training_views),
        },
        weights={"head/kernel": np.zeros((1, 1), np.float32)},
    )
    return folder
