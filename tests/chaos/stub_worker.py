"""The portal's own Celery application; only the engine is a stub, slow enough to be killed at work."""

import os
import time
from collections.abc import Sequence

import django
import numpy as np

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ctportal.settings")
django.setup()

from ctportal.celery import app  # noqa: E402, F401 - `celery --app` looks for it
from inference import engines  # noqa: E402
from ml.model.engine import ScanAnswer, SliceAnswer  # noqa: E402

SECONDS_FOR_A_SCAN = float(os.environ.get("STUB_SECONDS", "0.1"))


class SlowEngine:
    name = "stub"

    def predict(self, scans: Sequence[Sequence[np.ndarray]]) -> list[ScanAnswer]:
        answers = []
        for views in scans:
            time.sleep(SECONDS_FOR_A_SCAN)
            shares = [float(view.mean()) / 255 for view in views]
            slices = tuple(SliceAnswer(share, 1.0, 1.0, np.zeros((4, 4), np.uint8)) for share in shares)
            answers.append(ScanAnswer("covid" if max(shares) > 0.5 else "non_covid", max(shares), 1.0, slices))
        return answers


engines.build_engine = lambda artifact: SlowEngine()
