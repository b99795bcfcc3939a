"""Says what a site's decided scans support: how the point in force does there, and whether another can be proposed."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from django.conf import settings
from django.utils.translation import gettext as _

from accounts.formatting import points, whole_share
from inference.models import ModelVersion, SiteAcceptance
from inference.operating_point import own_lines
from ml.evaluation.site_point import (
    DecidedScans,
    PointFigures,
    Rule,
    Share,
    calibrated,
    discrimination,
    fit_point,
    least_infected,
    measure,
    measure_fitted,
)
from ml.model.decision import Calibration, Decision
from monitoring.acceptance.evidence import Evidence


@dataclass(frozen=True)
class AcceptanceLimits:
    """Holds what the installation asks of a site's evidence; docs/operations.md describes each and its default."""

    scans: int
    of_label: int
    sensitivity: float
    widest: float

    @classmethod
    def of_installation(cls) -> "AcceptanceLimits":
        return cls(
            scans=settings.ACCEPTANCE_LEAST_SCANS,
            of_label=settings.ACCEPTANCE_LEAST_OF_LABEL,
            sensitivity=settings.ACCEPTANCE_SENSITIVITY,
            widest=settings.ACCEPTANCE_WIDEST_INTERVAL,
        )

    @property
    def infected(self) -> int:
        """Is no fewer than a point needs that keeps the sensitivity for the next infected scan."""
        return max(self.of_label, least_infected(self.sensitivity))


@dataclass(frozen=True)
class Proposal:
    """Holds an operating point and calibration for the site, and its figures on scans that it was fitted without."""

    point: Calibration
    figures: PointFigures


@dataclass(frozen=True)
class Assessment:
    """Holds what the evidence says: figures of the point in force, what is missing, and a proposal where nothing is."""

    figures: PointFigures
    auc: float | None
    missing: Sequence[str]  # in sentences; empty where a proposal is supported
    proposal: Proposal | None


def assess(evidence: Evidence, *, model: ModelVersion, in_force: SiteAcceptance | None) -> Assessment:
    """Never proposes what the site's scans cannot support: then `missing` says what they lack."""
    scans, limits = evidence.decided, AcceptanceLimits.of_installation()
    figures = measure(scans, rule_in_force(evidence, model=model, in_force=in_force))
    missing = list(still_needed(evidence, limits))
    proposal = None
    if not missing:
        proposal = _fit(scans, limits)
        missing = list(_objections(proposal.figures, limits))
    return Assessment(figures, discrimination(scans), missing, None if missing else proposal)


def rule_in_force(evidence: Evidence, *, model: ModelVersion, in_force: SiteAcceptance | None) -> Rule:
    """Judges as new answers are judged now: by the site's point, or by the model's own for a lone slice or a series."""
    if in_force is not None:
        return rule_of(in_force.point)
    lines = [own_lines(model, slices=scan.slices) for scan in evidence.scans]

    def judge(probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[Decision]]:
        points = [Calibration(operating_point=each.point, low=each.low, high=each.high) for each in lines]
        decisions = [point.decide(float(p)) for point, p in zip(points, probabilities, strict=True)]
        return probabilities, probabilities >= np.array([each.point for each in lines], float), decisions

    return judge


def rule_of(point: Calibration) -> Rule:
    def judge(probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[Decision]]:
        found = calibrated(point, probabilities)
        return found, found >= point.operating_point, [point.decide(float(p)) for p in found]

    return judge


def _fit(scans: DecidedScans, limits: AcceptanceLimits) -> Proposal:
    return Proposal(
        point=fit_point(scans, sensitivity=limits.sensitivity),
        figures=measure_fitted(scans, sensitivity=limits.sensitivity),
    )


def still_needed(evidence: Evidence, limits: AcceptanceLimits) -> Sequence[str]:
    """Says what is missing before anything is fitted: “20 of 60 decided scans”."""
    counts: tuple[tuple[int, int, Callable[[int, int], str]], ...] = (
        (evidence.n, limits.scans, _words_for_scans),
        (evidence.infected, limits.infected, _words_for_infected),
        (evidence.not_infected, limits.of_label, _words_for_not_infected),
    )
    return [words(count, least) for count, least, words in counts if count < least]


def _words_for_scans(count: int, least: int) -> str:
    return _("%(count)d of %(least)d decided scans.") % {"count": count, "least": least}


def _words_for_infected(count: int, least: int) -> str:
    return _("%(count)d of %(least)d decided scans with COVID-19.") % {"count": count, "least": least}


def _words_for_not_infected(count: int, least: int) -> str:
    return _("%(count)d of %(least)d decided scans without COVID-19.") % {"count": count, "least": least}


def _objections(figures: PointFigures, limits: AcceptanceLimits) -> Sequence[str]:
    """Says what speaks against a fitted point, by its figures on scans that it was fitted without."""
    found = []
    for name, share in ((_("sensitivity"), figures.sensitivity), (_("specificity"), figures.specificity)):
        if share.width > limits.widest:
            found.append(_words_for_width(name, share, limits))
    if figures.sensitivity.high < limits.sensitivity:
        found.append(
            _("No point keeps the sensitivity of %(target)s here: %(found)d of %(all)d infected scans would be found.")
            % {
                "target": whole_share(limits.sensitivity),
                "found": figures.sensitivity.part,
                "all": figures.sensitivity.whole,
            }
        )
    if figures.specificity.low <= 1 - limits.sensitivity:
        found.append(
            _(
                "The model does not tell the scans apart here: at the sensitivity that is asked for it clears "
                "%(cleared)d of %(all)d scans without COVID-19, which may be chance."
            )
            % {"cleared": figures.specificity.part, "all": figures.specificity.whole}
        )
    return found


def _words_for_width(name: str, share: Share, limits: AcceptanceLimits) -> str:
    return _(
        "The 95 %% interval of the %(name)s, %(low)s to %(high)s, is wider than the %(widest)s points that are "
        "allowed; more decided scans are needed, of more patients."
    ) % {
        "name": name,
        "low": whole_share(share.low),
        "high": whole_share(share.high),
        "widest": points(limits.widest),
    }


def figures_as_stored(figures: PointFigures) -> dict[str, Any]:
    return asdict(figures)


def figures_from_stored(stored: dict[str, Any]) -> PointFigures:
    shares = {name: Share(**stored[name]) for name in ("sensitivity", "specificity")}
    return PointFigures(**{**stored, **shares})
