"""What a model must beat: the grey histogram, which reads the scanner, and frozen features with a linear machine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ml.images.data import Image
from ml.images.preprocess import Preprocessing, prepare
from ml.model.features import read_view

HISTOGRAM = "grey histogram + forest"
FROZEN = "frozen features + SVM"


class Histograms:
    """32-bin grey histograms of views and of what preprocessing leaves of them, each image read once."""

    def __init__(self, preprocessing: Preprocessing) -> None:
        self._preprocessing = preprocessing
        self._known: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def before(self, images: Sequence[Image]) -> np.ndarray:
        """Returns float `(N, 32)`, of the views as they come."""
        return np.stack([self._both(image)[0] for image in images])

    def after(self, images: Sequence[Image]) -> np.ndarray:
        """Returns float `(N, 32)`, of the network's inputs."""
        return np.stack([self._both(image)[1] for image in images])

    def _both(self, image: Image) -> tuple[np.ndarray, np.ndarray]:
        if image.sha256 not in self._known:
            view = read_view(image)
            self._known[image.sha256] = _histogram(view), _histogram(prepare(view, self._preprocessing).pixels)
        return self._known[image.sha256]


def forest_scores(train: np.ndarray, labels: np.ndarray, test: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Returns the probability of covid from a random forest of 300 trees."""
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(300, random_state=seed, n_jobs=1)
    return forest.fit(train, labels).predict_proba(test)[:, 1]


def _histogram(pixels: np.ndarray) -> np.ndarray:
    return np.histogram(pixels, bins=32, range=(0, 256))[0] / pixels.size


def svm_scores(train: np.ndarray, labels: np.ndarray, test: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Returns decision values of a linear support vector machine on standardised features."""
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    scaler = StandardScaler().fit(train)
    machine = SVC(kernel="linear", C=0.01, random_state=seed)
    machine.fit(scaler.transform(train), labels)
    return machine.decision_function(scaler.transform(test))
