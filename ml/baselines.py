"""What a model must beat: the grey histogram, which reads the scanner, and frozen features with a linear machine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ml.data import Image
from ml.features import read_view
from ml.preprocess import Preprocessing, prepare

HISTOGRAM = "grey histogram + forest"
FROZEN = "frozen features + SVM"


def histograms(images: Sequence[Image], preprocessing: Preprocessing | None = None) -> np.ndarray:
    """32-bin grey histograms, float `(N, 32)`, of the views or of what preprocessing leaves of them."""
    rows = []
    for image in images:
        view = read_view(image)
        pixels = view if preprocessing is None else prepare(view, preprocessing).pixels
        rows.append(np.histogram(pixels, bins=32, range=(0, 256))[0] / pixels.size)
    return np.stack(rows)


def forest_scores(train: np.ndarray, labels: np.ndarray, test: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Probability of covid from a random forest of 300 trees."""
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(300, random_state=seed, n_jobs=1)
    return forest.fit(train, labels).predict_proba(test)[:, 1]


def svm_scores(train: np.ndarray, labels: np.ndarray, test: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Decision values of a linear support vector machine on standardised features."""
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    scaler = StandardScaler().fit(train)
    machine = SVC(kernel="linear", C=0.01, random_state=seed)
    machine.fit(scaler.transform(train), labels)
    return machine.decision_function(scaler.transform(test))
