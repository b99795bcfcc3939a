"""Watches whether an operating point that a site accepted still does what it was accepted for.

All decided scans since then count, those decided with the answer on screen too: such decisions follow the answer, so a
fall that shows among them is no smaller in truth.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from django.conf import settings
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts.formatting import decimal, whole_share
from accounts.models import Site
from inference.models import ModelVersion, PredictionQuerySet, SiteAcceptance
from inference.operating_point import is_positive
from inference.service import active_model
from inference.site_points import point_in_force
from ml.evaluation.intervals import clopper_pearson
from monitoring.acceptance.evidence import MOST_SCANS, decided_answers
from monitoring.drift import shift_of
from monitoring.results import Alarm, AlarmLevel, Shift, ShiftState
from monitoring.scope import Population


@dataclass(frozen=True)
class SinceAcceptance:
    """Holds what became of the answers that were judged by an accepted point."""

    found: int
    infected: int
    low: float
    high: float
    target: float
    drift: Shift

    @property
    def sensitivity(self) -> float | None:
        return self.found / self.infected if self.infected else None

    @property
    def has_fallen(self) -> bool:
        """Says whether it fell beyond chance: even the upper end of the exact interval is below what was promised."""
        return self._can_tell and self.high < self.target

    @property
    def may_have_fallen(self) -> bool:
        return self._can_tell and not self.has_fallen and (self.sensitivity or 0.0) < self.target

    @property
    def _can_tell(self) -> bool:
        return self.infected >= settings.MONITOR_LEAST_INFECTED


def watch_accepted_points(population: Population) -> Iterator[Alarm]:
    """Raises alarms about the model in service at each site that is looked at."""
    model = active_model()
    if model is None:
        return
    for site in population.sites:
        point = point_in_force(site_id=site.pk, model=model)
        if point is None:
            continue
        rows = decided_answers(site=site, model=model).filter(site_point=point)
        answers = point.predictions.shown().filter(status="done")
        if population.hidden is not None:
            rows = rows.exclude(scan__in=population.hidden.values("pk"))
            answers = answers.exclude(scan__in=population.hidden.values("pk"))
        yield from _alarms(site, model, point, since_acceptance(point, rows, answers))


def since_acceptance(point: SiteAcceptance, rows: PredictionQuerySet, answers: PredictionQuerySet) -> SinceAcceptance:
    """Counts `rows`, the decided answers that the point judged, and the scores of `answers`, all that it judged."""
    infected = [
        is_positive(decision=None, probability=probability, point=point.operating_point)
        for probability, label in rows.values_list("probability", "scan__final_label")[:MOST_SCANS]
        if label == "covid"
    ]
    scores = np.array(answers.order_by("-pk").values_list("raw_probability", flat=True)[:MOST_SCANS], float)
    low, high = clopper_pearson(sum(infected), len(infected))
    return SinceAcceptance(
        found=sum(infected),
        infected=len(infected),
        low=low,
        high=high,
        target=float(point.figures.get("target", settings.ACCEPTANCE_SENSITIVITY)),
        drift=shift_of("score", _("Score"), _("the model's own probability"), point.figures.get("reference"), scores),
    )


def _alarms(site: Site, model: ModelVersion, point: SiteAcceptance, since: SinceAcceptance) -> Iterator[Alarm]:
    if since.has_fallen or since.may_have_fallen:
        yield _fallen(AlarmLevel.ALARM if since.has_fallen else AlarmLevel.NOTICE, site, model, point, since)
    if since.drift.state in (ShiftState.SHIFTED, ShiftState.SHIFTING):
        yield _drifted(site, model, point, since.drift)


def _fallen(level: AlarmLevel, site: Site, model: ModelVersion, point: SiteAcceptance, since: SinceAcceptance) -> Alarm:
    words = _(
        "At %(site)s the operating point accepted on %(day)s finds %(found)d of %(infected)d infected scans "
        "(95 %% interval %(low)s to %(high)s); it was accepted for %(target)s."
    ) % {
        "site": site,
        "day": date_format(timezone.localtime(point.decided_at), "DATE_FORMAT"),
        "found": since.found,
        "infected": since.infected,
        "low": whole_share(since.low),
        "high": whole_share(since.high),
        "target": whole_share(since.target),
    }
    threshold = _("A notice below what was accepted, an alarm beyond chance; once %(least)d infected are counted.")
    return Alarm(
        level=level,
        name="site_sensitivity",
        model=str(model),
        words=words,
        threshold=threshold % {"least": settings.MONITOR_LEAST_INFECTED},
        advice=_("Read the missed scans, take the operating point back, or accept the one that is proposed now."),
    )


def _drifted(site: Site, model: ModelVersion, point: SiteAcceptance, drift: Shift) -> Alarm:
    far = drift.state == ShiftState.SHIFTED
    words = _(
        "At %(site)s the model's scores differ from those with which its operating point was accepted on %(day)s: "
        "drift index (PSI) %(psi)s, %(n)d scans."
    ) % {
        "site": site,
        "day": date_format(timezone.localtime(point.decided_at), "DATE_FORMAT"),
        "psi": decimal(drift.psi),
        "n": drift.n,
    }
    bound = settings.MONITOR_PSI_ALARM if far else settings.MONITOR_PSI_NOTICE
    threshold = _("Raised from %(bound)s, with %(least)d scans or more and a statistically significant shift.")
    return Alarm(
        level=AlarmLevel.ALARM if far else AlarmLevel.NOTICE,
        name="site_drift",
        model=str(model),
        words=words,
        threshold=threshold % {"bound": f"{bound:g}", "least": settings.MONITOR_LEAST_SCANS},
        advice=_("Other patients, or another scanner? Have recent scans decided blinded, and look at the new figures."),
    )
