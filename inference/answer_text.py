"""The model's answer in words: the one source for pages, API and reports.

`describe(prediction)` gives sentences for whatever state the prediction is in. Pages show `headline` large,
`explanation`, `judged_by` and `suitability` below it, `model` and `timing` as small print, and `claim`, `look_alikes`
and `disclaimer` beside every answer;
the API returns the same strings. `slices_that_mattered(answers)` picks what the slice strip should point to.

Whether a person may see the answer is `cases.reviews.hidden_scan_ids`' business; ask it first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.formatting import duration, probability, whole_share
from accounts.stored_words import said_again
from accounts.wording import listed
from cases.models import Decision
from inference import what_is_claimed
from inference.models import ModelStatus, ModelVersion, Prediction, PredictionStatus, SliceAnswer
from inference.operating_point import lines_of

DISCLAIMER = gettext_lazy("Research use; not for diagnosis.")
MOST_SHOWN = 5
NOTEWORTHY_SHARE = 0.01
ENGINES = {
    "openvino-cpu": gettext_lazy("a CPU (OpenVINO)"),
    "keras-tensorflow-cpu": gettext_lazy("a CPU (Keras, TensorFlow)"),
    "keras-tensorflow-gpu": gettext_lazy("a GPU (Keras, TensorFlow)"),
}


@dataclass(frozen=True)
class AnswerText:
    """Plain sentences, never empty but for those that a state does not have."""

    headline: str
    explanation: str
    suitability: str
    model: str
    timing: str
    disclaimer: str = field(default_factory=lambda: str(DISCLAIMER))
    claim: str = ""
    look_alikes: str = ""
    judged_by: str = ""


def describe(prediction: Prediction, *, slices: Sequence[SliceAnswer] | None = None) -> AnswerText:
    """Puts into words what people should know of this prediction now.

    Asks the database only for the model version (select_related it) and, while it waits, for its place. Given the
    slice answers as well, it says how many of the slices the model could use.
    """
    headline, explanation, suitability = _said(prediction, slices)
    return AnswerText(
        headline=headline,
        explanation=explanation,
        suitability=suitability,
        model=words_for_model(prediction.model_version),
        timing=words_for_timing(prediction),
        claim=str(what_is_claimed.CLAIM),
        look_alikes=str(what_is_claimed.LOOK_ALIKES),
        judged_by=words_for_point(prediction),
    )


def _said(prediction: Prediction, slices: Sequence[SliceAnswer] | None) -> tuple[str, str, str]:
    if prediction.status == PredictionStatus.QUEUED:
        return _("Waiting for the model"), _waiting(prediction), ""
    if prediction.status == PredictionStatus.RUNNING:
        return _("The model is reading the scan"), _("The answer appears here without reloading."), ""
    if prediction.status == PredictionStatus.FAILED:
        return _("The model could not answer"), said_again(prediction.error), ""
    return prediction.get_decision_display(), _explanation(prediction), _suitability(prediction, slices)


def words_for_model(model: ModelVersion) -> str:
    return (
        _("%(model)s (no longer in service)") % {"model": model} if model.status == ModelStatus.RETIRED else str(model)
    )


def words_for_point(prediction: Prediction) -> str:
    """Says which operating point judged the answer."""
    point = prediction.site_point
    if point is None:
        return _("Judged by the model's own operating point.")
    values = {
        "site": point.site.name,
        "day": date_format(timezone.localtime(point.decided_at), "DATE_FORMAT"),
        "number": point.number,
    }
    return _("Judged by the operating point that %(site)s accepted on %(day)s (decision %(number)d).") % values


def words_for_timing(prediction: Prediction) -> str:
    """Says when, in the reader's time zone, how long it took and on what."""
    if prediction.finished_at is None:
        return ""
    engine = str(ENGINES.get(prediction.engine, prediction.engine))
    parts = {
        "when": date_format(timezone.localtime(prediction.finished_at), "DATETIME_FORMAT"),
        "duration": duration(prediction.duration_ms / 1000) if prediction.duration_ms is not None else "",
        "engine": engine,
    }
    if parts["duration"] and engine:
        return _("%(when)s, in %(duration)s on %(engine)s") % parts
    if parts["duration"]:
        return _("%(when)s, in %(duration)s") % parts
    return _("%(when)s on %(engine)s") % parts if engine else parts["when"]


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
    return ngettext(
        "The answer rests mostly on slice %(slices)s of %(all)s.",
        "The answer rests mostly on slices %(slices)s of %(all)s.",
        len(numbers),
    ) % {"slices": listed(numbers), "all": len(answers)}


def _waiting(prediction: Prediction) -> str:
    if prediction.error:
        return _("%(error)s The portal tries again.") % {"error": said_again(prediction.error)}
    place = prediction.place_in_queue
    if place is None:  # claimed this very moment
        return _("The answer appears here without reloading.")
    return _("It is next in the queue.") if place == 1 else _("Place %(place)s in the queue.") % {"place": place}


_EXPLANATIONS: dict[str, Any] = {
    str(Decision.COVID): gettext_lazy(
        "The model puts the probability of %(subject)s at %(probability)s; from %(high)s it answers “likely”."
    ),
    str(Decision.NON_COVID): gettext_lazy(
        "The model puts the probability of %(subject)s at %(probability)s; below %(low)s it answers “unlikely”."
    ),
    str(Decision.UNCERTAIN): gettext_lazy(
        "The model puts the probability of %(subject)s at %(probability)s; between %(low)s and %(high)s it leaves the "
        "decision to the reader."
    ),
}


# The infection is the patient's: one slice without a lesion says little.
_LONE_SLICE = gettext_lazy(
    "The model puts the probability of %(subject)s at %(probability)s; below %(low)s it answers “unlikely”. One slice "
    "without a lesion does not rule it out."
)


def _explanation(prediction: Prediction) -> str:
    if prediction.decision == Decision.UNSUITABLE:
        return _("The model gives no answer for this scan, because it looks unlike those it knows. Please read it.")
    values = {"subject": what_is_claimed.SUBJECT, "probability": probability(prediction.probability or 0.0)}
    if prediction.is_unlike_training:
        return (
            _(
                "The model puts the probability of %(subject)s at %(probability)s, but the scan looks unlike those of "
                "the hospitals where it was trained, so it leaves the decision to the reader."
            )
            % values
        )
    bounds = _bounds(prediction)
    if bounds is None:
        return _("The model puts the probability of %(subject)s at %(probability)s.") % values
    values["low"], values["high"] = (whole_share(bound) for bound in bounds)
    if prediction.decision == Decision.NON_COVID and prediction.scan.slice_count == 1:
        return str(_LONE_SLICE % values)
    return str(_EXPLANATIONS[str(prediction.decision)] % values)


def _bounds(prediction: Prediction) -> tuple[float, float] | None:
    """The lines that judged it, if any are stated."""
    lines = lines_of(prediction)
    if not lines.are_stated:
        return None
    if lines.low == lines.high:  # never abstains: one border
        return lines.point, lines.point
    return lines.low, lines.high


def _suitability(prediction: Prediction, slices: Sequence[SliceAnswer] | None) -> str:
    if prediction.decision == Decision.UNSUITABLE:
        words = _("The images do not look like the chest CTs that the model knows.")
    elif prediction.is_unlike_training:
        words = _("The images look like chest CTs, but unlike those of the hospitals where the model was trained.")
    else:
        words = _("The images look like the chest CTs that the model knows.")
    limit = prediction.model_version.thresholds.get("suitable")
    if slices is None or limit is None or len(slices) < 2:
        return words
    usable = sum(answer.suitability >= limit for answer in slices)
    used = _("%(usable)s of %(slices)s slices could be used.") % {"usable": usable, "slices": len(slices)}
    return f"{words} {used}"
