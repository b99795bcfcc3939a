"""How far the scores and the pictures have moved from what a model was made with: population stability index.

A model brings its reference in its artefact (`ml.model.drift_reference`); where one is missing, nothing is invented.
The index has a bias: with few scans it is above nothing by chance alone. So a shift is reported only where it is also
above what chance exceeds once in a hundred times, `(1/n + 1/m) · chi²` (Yurdakul 2018).
"""

import functools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.formatting import decimal
from cases.models import Decision
from inference.models import ModelVersion, PredictionQuerySet, PredictionStatus
from ml.model.artifact import ArtifactError, load_artifact
from ml.model.drift_reference import FEATURES, population_stability_index
from monitoring.results import Bin, Drift, Shift, ShiftState

MOST_VALUES = 20_000  # more scans than these tell no more: every second, third, … is read
SCORE = ("score", gettext_lazy("Score"), gettext_lazy("the scan's calibrated probability of COVID-19, 0–1"))
Z_99 = 2.326
WORDS = {
    ShiftState.STABLE: gettext_lazy("like the reference, or no further from it than by chance."),
    ShiftState.SHIFTING: gettext_lazy("drifting away from the reference."),
    ShiftState.SHIFTED: gettext_lazy("far from the reference."),
}


def drift_of(model: ModelVersion, rows: PredictionQuerySet, *, done: int) -> Drift:
    """Measures the drift of the model's answers among the rows, `done` of them."""
    reference, note = reference_of_model(model)
    scores, described = _values(model, rows, done)
    score = shift_of(*SCORE, reference.get("score"), scores)
    known = reference.get("features") or {}
    features = [
        shift_of(name, name.replace("_", " ").capitalize(), unit, known.get(name), described[name])
        for name, unit in FEATURES.items()
    ]
    return Drift(score, features, note)


def reference_of_model(model: ModelVersion) -> tuple[Mapping[str, Any], str]:
    """The reference that its artefact brings, and words where it brings none."""
    try:
        reference = _read_reference(model.folder)
    except ArtifactError:
        return {}, _("The stored files of model %(model)s cannot be read; register it again to see drift.") % {
            "model": model
        }
    if not reference:
        return {}, _("Model %(model)s has no reference to compare with; models trained with this release have one.") % {
            "model": model
        }
    return reference, ""


@functools.lru_cache(maxsize=16)
def _read_reference(folder: Path) -> Mapping[str, Any]:
    """The folder is named by the artefact's hash, so what it holds never changes."""
    return load_artifact(folder).reference


def _values(model: ModelVersion, rows: PredictionQuerySet, done: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Scores of the scans that it could judge, and the inputs of all that were described.

    A reference's scores are made by the rule of the portal, a lone slice's by the rule for slices. Where a site has a
    calibration of its own, the model's own score counts: what it was made with had no other.
    """
    answers = rows.filter(model_version=model, status=PredictionStatus.DONE)
    every = math.ceil(done / MOST_VALUES)
    if every > 1:
        answers = answers.annotate(turn=F("pk") % every).filter(turn=0)
    scores, described = [], []
    for probability, decision, features in answers.annotate(
        score=Coalesce("raw_probability", "probability")
    ).values_list("score", "decision", "input_features"):
        if decision != Decision.UNSUITABLE:
            scores.append(probability)
        if features:
            described.append(features)
    inputs = {name: np.array([row[name] for row in described if name in row], float) for name in FEATURES}
    return np.array(scores, float), inputs


def shift_of(
    name: str,
    title: Promise | str,
    unit: Promise | str,
    reference: Mapping[str, Any] | None,
    values: np.ndarray,
) -> Shift:
    """How far the values have moved from the reference, in words and bins."""
    title, unit = str(title), str(unit)
    values = values[np.isfinite(values)]
    n, reference_n = len(values), int((reference or {}).get("n") or 0)
    unknown = functools.partial(Shift, name, title, unit, n=n, reference_n=reference_n, psi=None, chance=None)
    if reference is None or not reference_n:
        return unknown(state=ShiftState.NO_REFERENCE, words=_("The model has no reference for it."))
    if n < settings.MONITOR_LEAST_SCANS:
        words = _("%(n)s of the %(monitor_least_scans)s scans that are needed.") % {
            "n": n,
            "monitor_least_scans": settings.MONITOR_LEAST_SCANS,
        }
        return unknown(state=ShiftState.TOO_FEW, words=words)
    psi = population_stability_index(reference, values)
    chance = psi_by_chance(len(reference["shares"]), n, reference_n)
    state = _state(psi, chance)
    words = _("Drift index %(psi)s: %(WORDS)s") % {"psi": decimal(psi, 2), "WORDS": WORDS[state]}
    return Shift(name, title, unit, state, n, reference_n, psi, chance, words, _bins(reference, values))


def psi_by_chance(bins: int, n: int, reference_n: int) -> float:
    """The 99th percentile of the index where nothing has moved (Wilson and Hilferty's chi-squared)."""
    freedom = bins - 1
    if freedom < 1:
        return 0.0
    part = 2 / (9 * freedom)
    return freedom * (1 - part + Z_99 * math.sqrt(part)) ** 3 * (1 / n + 1 / reference_n)


def _state(psi: float, chance: float) -> ShiftState:
    if psi > chance and psi >= settings.MONITOR_PSI_ALARM:
        return ShiftState.SHIFTED
    if psi > chance and psi >= settings.MONITOR_PSI_NOTICE:
        return ShiftState.SHIFTING
    return ShiftState.STABLE


def _bins(reference: Mapping[str, Any], values: np.ndarray) -> Sequence[Bin]:
    """As `ml.model.drift_reference` cuts them: from an edge, counted in, to the next; the outermost are open."""
    edges: list[float] = list(reference["edges"])
    places = np.searchsorted(np.array(edges, float), values, side="right")
    shares = np.bincount(places, minlength=len(edges) + 1) / len(values)
    lows, highs = [None, *edges], [*edges, None]
    return [
        Bin(low, high, float(known), float(share))
        for low, high, known, share in zip(lows, highs, reference["shares"], shares, strict=True)
    ]
