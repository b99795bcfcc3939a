"""Runs the worker's loop: claim a batch, read its images, ask the model, store each answer."""

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from django.db import IntegrityError
from django.utils.translation import gettext_noop

from cases.memory import give_memory_back
from cases.models import Slice
from inference.database_retry import Result, never, retry_while_database_is_away
from inference.engines import Engine, engine_for
from inference.errors import Interrupted, ModelUnavailable, PermanentError, RetriableError, StorageAway
from inference.heartbeat import Heartbeat
from inference.models import Prediction
from inference.queue import (
    Answer,
    SliceFinding,
    claim,
    give_back,
    hold_waiting,
    put_off,
    store_answer,
    store_failure,
)
from inference.scan_images import Views, describe_views, map_png, read_views
from inference.wake import wake_workers
from ml.model.engine import ScanAnswer, ScanFailure

logger = logging.getLogger(__name__)

SLICES_AT_ONCE = 32
ENGINE_FAILED = gettext_noop(
    "The model stopped with an error on this scan (%(error)s). Try again; if it fails once more, "
    "read the scan yourself and tell the administrator."
)
ENGINE_STUMBLED = gettext_noop("The model stopped with an error (%(error)s).")


def run_queued(
    *, until: float = math.inf, stop: Callable[[], bool] = never, on_hang: Callable[[], None] | None = None
) -> int:
    """Answers what is queued until nothing is due, the time (`time.monotonic`) is up or `stop` says so.

    Returns how many predictions were settled: answered or failed. Raises the database's error if it stays away.
    """
    settled, batches = 0, 0
    while not stop() and time.monotonic() < until:
        claimed = retry_while_database_is_away(claim, stop=stop)
        if not claimed:
            return settled
        batches += 1
        if batches == 1:
            _wake_another()
        settled += Batch(claimed, stop=stop).run(on_hang=on_hang)
        give_memory_back()
    _wake_another()
    return settled


def _wake_another() -> None:
    """Another worker may share what is left; and when this run's time is up, the next one goes on."""
    if retry_while_database_is_away(Prediction.objects.due().exists):
        wake_workers()


@dataclass(frozen=True)
class Reading:
    """Holds a prediction with its images in memory."""

    prediction: Prediction
    slices: list[Slice]
    views: Views
    features: dict[str, float] | None
    seconds: float


class Batch:
    """Processes claimed predictions of one model; each ends answered, failed, put off or given back."""

    def __init__(self, claimed: Sequence[Prediction], *, stop: Callable[[], bool] = never) -> None:
        self.model = claimed[0].model_version
        self.open = {prediction.pk: prediction for prediction in claimed}
        self.stop = stop
        self.settled = 0

    def run(self, *, on_hang: Callable[[], None] | None = None) -> int:
        token = next(iter(self.open.values())).claim
        assert token is not None  # noqa: S101 - a claimed row has one
        with Heartbeat(token, on_hang=on_hang):
            try:
                self._answer_all(engine_for(self.model))
            except ModelUnavailable as trouble:
                message = str(trouble)
                self._patiently(lambda: give_back(list(self.open.values()), message))
                self._patiently(lambda: hold_waiting(self.model, message))
            except Interrupted:
                give_back(list(self.open.values()))
        return self.settled

    def _answer_all(self, engine: Engine) -> None:
        for readings in self._read_together():
            for reading, result, seconds in self._predict(engine, readings):
                self._settle(engine, reading, result, seconds)

    def _read_together(self) -> Iterator[list[Reading]]:
        """Small scans share a pass through the network; a long series has its own."""
        together: list[Reading] = []
        for prediction in list(self.open.values()):
            reading = self._read(prediction)
            if reading is None:
                continue
            together.append(reading)
            if sum(len(each.views) for each in together) >= SLICES_AT_ONCE:
                yield together
                together = []
        if together:
            yield together

    def _read(self, prediction: Prediction) -> Reading | None:
        started = time.monotonic()
        slices = self._patiently(lambda: list(prediction.scan.slices.order_by("position")))
        try:
            views = read_views(prediction.scan, slices, stop=self.stop)
            features = describe_views(views)
        except PermanentError as trouble:
            self._fail(prediction, str(trouble))
        except RetriableError as trouble:
            self._put_off(prediction, str(trouble))
        except StorageAway as trouble:
            message = str(trouble)
            self._patiently(lambda: give_back([prediction], message))
            del self.open[prediction.pk]
        else:
            return Reading(prediction, slices, views, features, time.monotonic() - started)
        return None

    def _predict(
        self, engine: Engine, readings: list[Reading]
    ) -> Iterator[tuple[Reading, ScanAnswer | ScanFailure, float]]:
        """Together; where that fails, one by one, so that only the culprit fails."""
        started = time.monotonic()
        try:
            results = engine.predict([reading.views for reading in readings])
            answered = list(zip(readings, results, strict=True))
        except Interrupted:
            raise
        except Exception as error:
            logger.warning("Model %s failed on %d scans", self.model, len(readings), exc_info=True)
            if len(readings) == 1:
                self._blame(readings[0].prediction, error)
                return
            for reading in readings:
                yield from self._predict(engine, [reading])
            return
        seconds = time.monotonic() - started
        slices = sum(len(reading.views) for reading in readings)
        for reading, result in answered:
            yield reading, result, seconds * len(reading.views) / slices

    def _blame(self, prediction: Prediction, error: Exception) -> None:
        """What the numbers of this scan caused comes again; anything else (memory, a device) may not."""
        if isinstance(error, (ValueError, TypeError, ArithmeticError, IntegrityError)):
            self._fail(prediction, ENGINE_FAILED % {"error": type(error).__name__})
        else:
            self._put_off(prediction, ENGINE_STUMBLED % {"error": type(error).__name__})

    def _settle(self, engine: Engine, reading: Reading, result: ScanAnswer | ScanFailure, seconds: float) -> None:
        if isinstance(result, ScanFailure):
            return self._fail(reading.prediction, result.message)
        try:
            answer = _answer(engine, reading, result, seconds)
            stored = self._patiently(lambda: store_answer(reading.prediction, answer))
        except (ValueError, IntegrityError) as error:
            logger.exception("Model %s gave an answer that cannot be stored", self.model)
            return self._blame(reading.prediction, error)
        if not stored:
            logger.warning("%s was taken back before its answer came", reading.prediction)
        self.settled += stored
        del self.open[reading.prediction.pk]

    def _fail(self, prediction: Prediction, message: str) -> None:
        logger.warning("%s failed: %s", prediction, message)
        self.settled += self._patiently(lambda: store_failure(prediction, message))
        del self.open[prediction.pk]

    def _put_off(self, prediction: Prediction, message: str) -> None:
        logger.warning("%s is put off: %s", prediction, message)
        self._patiently(lambda: put_off(prediction, message))
        del self.open[prediction.pk]

    def _patiently(self, action: Callable[[], Result]) -> Result:
        return retry_while_database_is_away(action, stop=self.stop)


def _answer(engine: Engine, reading: Reading, result: ScanAnswer, seconds: float) -> Answer:
    return Answer(
        decision=result.decision,
        probability=result.probability,
        suitability=result.suitability,
        suitability_state=result.suitability_state,
        slices=[
            SliceFinding(stored.pk, found.probability, found.weight, found.suitability, map_png(found.map))
            for stored, found in zip(reading.slices, result.slices, strict=True)
        ],
        engine=engine.name,
        duration_ms=round(1000 * (reading.seconds + seconds)),
        input_features=reading.features,
    )
