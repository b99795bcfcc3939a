"""The model's answer in words: the one source for pages, API and reports.

`describe(prediction)` gives sentences for whatever state the prediction is in. Pages show `headline` large,
`explanation` and `suitability` below it, `model` and `timing` as small print, and `disclaimer` beside every answer;
the API returns the same strings. `slices_that_mattered(answers)` picks what the slice strip should point to.

Whether a person may see the answer is `cases.reviews.hidden_scan_ids`' business; ask it first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format

from accounts.formatting import duration, probability, whole_share
from cases.models import Decision
from inference.models import ModelStatus, ModelVersion, Prediction, PredictionStatus, SliceAnswer

DISCLAIMER = "Research use; not for diagnosis."
MOST_SHOWN = 5
NOTEWORTHY_SHARE = 0.01
ENGINES = {
    "openvino-cpu": "a CPU (OpenVINO)",
    "keras-tensorflow-cpu": "a CPU (Keras, TensorFlow)",
    "keras-tensorflow-gpu": "a GPU (Keras, TensorFlow)",
}


@dataclass(frozen=True)
class AnswerText:
    """Plain sentences, never empty but for those that a state does not have."""

    headline: str
    explanation: str
    suitability: str
    model: str
    timing: str
    disclaimer: str = DISCLAIMER


def describe(prediction: Prediction, *, slices: Sequence[SliceAnswer] | None = None) -> AnswerText:
    """Puts into words what people should know of this prediction now.

    Asks the database only for the model version (select_related it) and, while it waits, for its place. Given the
    slice answers as well, it says how many of the slices the model could use.
    """
    model = words_for_model(prediction.model_version)
    if prediction.status == PredictionStatus.QUEUED:
        return AnswerText("Waiting for the model", _waiting(prediction), "", model, "")
    if prediction.status == PredictionStatus.RUNNING:
        return AnswerText("The model is reading the scan", "The answer appears here by itself.", "", model, "")
    if prediction.status == PredictionStatus.FAILED:
        return AnswerText("The model could not answer", prediction.error, "", model, words_for_timing(prediction))
    return AnswerText(
        headline=str(prediction.get_decision_display()),
        explanation=_explanation(prediction),
        suitability=_suitability(prediction, slices),
        model=model,
        timing=words_for_timing(prediction),
    )


def words_for_model(model: ModelVersion) -> str:
    return f"{model} (no longer in service)" if model.status == ModelStatus.RETIRED else str(model)


def words_for_timing(prediction: Prediction) -> str:
    """Says when, in the reader's time zone, how long it took and on what."""
    if prediction.finished_at is None:
        return ""
    words = date_format(timezone.localtime(prediction.finished_at), "j M Y, H:i")
    if prediction.duration_ms is not None:
        words += f", in {duration(prediction.duration_ms / 1000)}"
    if prediction.engine:
        words += f" on {ENGINES.get(prediction.engine, prediction.engine)}"
    return words


def slices_that_mattered(answers: Sequence[SliceAnswer], *, limit: int = MOST_SHOWN) -> list[SliceAnswer]:
    """Returns those with the largest share in the scan's answer, the largest first; none of a lone slice's own."""
    if len(answers) < 2:
        return []
    telling = [answer for answer in answers if answer.weight >= NOTEWORTHY_SHARE]
    return sorted(telling, key=lambda answer: (-answer.weight, -answer.probability))[:limit]


def words_for_slices(answers: Sequence[SliceAnswer]) -> str:
    """“The answer rests mostly on slices 4, 5 and 9 of 30.” Counts from 1, as the pages do."""
    telling = slices_that_mattered(answers)
    if not telling:
        return ""
    numbers = [str(number) for number in sorted(answer.slice.position + 1 for answer in telling)]
    listed = numbers[0] if len(numbers) == 1 else f"{', '.join(numbers[:-1])} and {numbers[-1]}"
    return f"The answer rests mostly on slice{'s' if len(numbers) > 1 else ''} {listed} of {len(answers)}."


def _waiting(prediction: Prediction) -> str:
    if prediction.error:
        return f"{prediction.error} The portal tries again by itself."
    place = prediction.place_in_queue
    if place is None:  # claimed this very moment
        return "The answer appears here by itself."
    return "It is next in the queue." if place == 1 else f"Place {place} in the queue."


def _explanation(prediction: Prediction) -> str:
    if prediction.decision == Decision.UNSUITABLE:
        return "The model gives no answer for this scan, because it looks unlike those it knows. Please read it."
    words = f"The model puts the probability of COVID-19 at {probability(prediction.probability or 0.0)}"
    bounds = _bounds(prediction)
    if bounds is None:
        return f"{words}."
    low, high = (whole_share(bound) for bound in bounds)
    return {
        str(Decision.COVID): f"{words}; from {high} it answers “likely”.",
        str(Decision.NON_COVID): f"{words}; below {low} it answers “unlikely”.{_caution(prediction)}",
        str(Decision.UNCERTAIN): f"{words}; between {low} and {high} it leaves the decision to the reader.",
    }[str(prediction.decision)]


def _caution(prediction: Prediction) -> str:
    """Warns that one slice may miss the lesion: the infection is the patient's."""
    return " One slice without a lesion does not rule it out." if prediction.scan.slice_count == 1 else ""


def _bounds(prediction: Prediction) -> tuple[float, float] | None:
    """The model's own thresholds for a lone slice or for a series, if its artefact names them."""
    kind = "slice" if prediction.scan.slice_count == 1 else "scan"
    calibration: dict[str, Any] = prediction.model_version.thresholds.get(kind) or {}
    low, high = calibration.get("low"), calibration.get("high")
    if low is None or high is None:
        return None
    if low == high:  # never abstains: one border
        low = high = calibration.get("operating_point", low)
    return float(low), float(high)


def _suitability(prediction: Prediction, slices: Sequence[SliceAnswer] | None) -> str:
    if prediction.decision == Decision.UNSUITABLE:
        words = "The images do not look like the chest CTs that the model knows."
    else:
        words = "The images look like the chest CTs that the model knows."
    limit = prediction.model_version.thresholds.get("suitable")
    if slices is None or limit is None or len(slices) < 2:
        return words
    usable = sum(answer.suitability >= limit for answer in slices)
    return f"{words} {usable} of {len(slices)} slices could be used."
