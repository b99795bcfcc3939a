"""Keeps loaded engines by the hash of their artefact. Only workers come here: an engine imports its framework."""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from django.conf import settings
from django.utils.translation import gettext as _

from inference.errors import ModelUnavailable
from inference.models import ModelVersion
from ml.model.artifact import Artifact, ArtifactError, load_artifact
from ml.model.engine import ScanAnswer, ScanFailure, load_engine

logger = logging.getLogger(__name__)

MOST_KEPT = 3  # the model in service, the one it replaced while its last scans are answered, and a shadow


class Engine(Protocol):
    name: str

    def predict(self, scans: Sequence[Sequence[np.ndarray]]) -> Sequence[ScanAnswer | ScanFailure]: ...


def build_engine(artifact: Artifact) -> Engine:
    """The one place where an engine is made; tests put another here."""
    return load_engine(artifact, device=settings.INFERENCE_DEVICE)


class EngineCache:
    """At most `MOST_KEPT` engines; the one unused for longest goes first."""

    def __init__(self) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._lock = threading.Lock()

    def engine_for(self, model: ModelVersion) -> Engine:
        with self._lock:
            if model.sha256 not in self._engines:
                self._engines[model.sha256] = _load(model)
            self._engines.move_to_end(model.sha256)
            while len(self._engines) > MOST_KEPT:
                self._engines.popitem(last=False)
            return self._engines[model.sha256]

    def clear(self) -> None:
        with self._lock:
            self._engines.clear()


def _load(model: ModelVersion) -> Engine:
    started = time.monotonic()
    try:
        artifact = load_artifact(model.folder)
        if artifact.sha256 != model.sha256:
            raise ArtifactError(f"The store holds another model under this one's hash. Received: {artifact.sha256}")
        engine = build_engine(artifact)
    except Exception as error:
        # Whatever stops it (a damaged file, a missing framework, too little memory) stops all of its scans.
        logger.exception("Model %s cannot be loaded from %s", model, model.folder)
        raise ModelUnavailable(
            _(
                "Model %(model)s cannot be loaded on the inference worker (%(__name__)s). The administrator "
                "can register it again or put another into service."
            )
            % {"model": model, "__name__": type(error).__name__}
        ) from error
    logger.info("Model %s loaded in %.1f s: %s", model, time.monotonic() - started, engine.name)
    return engine


_cache = EngineCache()
engine_for = _cache.engine_for
forget_engines = _cache.clear
