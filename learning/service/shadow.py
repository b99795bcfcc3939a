"""Shadow mode: a candidate answers new scans that nobody sees, to be compared with the answers that people see."""

from dataclasses import dataclass, field

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.events import record_event
from accounts.models import Action, User
from accounts.refusals import WrongState
from accounts.rights import Right, require_somewhere, sites_with
from cases.disclosure import note_shown
from cases.models import Label, Scan
from cases.reviews import hidden_scans
from inference.catalogue import require_intact
from inference.current_answer import drop_shadow_requests
from inference.label_value import opinion_of
from inference.models import ModelVersion, Prediction, PredictionQuerySet, PredictionStatus
from inference.operating_point import is_positive
from inference.service import hold_model_in_service, shadow_model
from learning.service.promotion import require_installation_right

MOST_LISTED = 200
PENDING = (PredictionStatus.QUEUED, PredictionStatus.RUNNING)


@dataclass(frozen=True)
class Pair:
    """Holds one scan, answered by both; positive is at or above each model's own operating point."""

    scan: Scan
    service: Prediction
    shadow: Prediction
    service_positive: bool
    shadow_positive: bool

    @property
    def agrees(self) -> bool:
        return self.service.decision == self.shadow.decision

    @property
    def has_disease(self) -> bool | None:
        """Says whether the readers agree that it has; None without their decision."""
        return {str(Label.COVID): True, str(Label.NON_COVID): False}.get(self.scan.final_label or "")


@dataclass(frozen=True)
class Tally:
    """Counts answers against the readers' labels. A share is none where there is nothing to share."""

    found: int
    missed: int
    false_alarms: int
    cleared: int

    @property
    def sensitivity(self) -> float | None:
        return self.found / (self.found + self.missed) if self.found + self.missed else None

    @property
    def specificity(self) -> float | None:
        return self.cleared / (self.cleared + self.false_alarms) if self.cleared + self.false_alarms else None


@dataclass(frozen=True)
class ShadowReport:
    model: ModelVersion
    n: int
    agree: int
    both_positive: int
    only_shadow_positive: int
    only_service_positive: int
    both_negative: int
    labelled: int
    service: Tally
    shadow: Tally
    waiting: int
    failed: int
    disagreements: list[Pair] = field(repr=False)
    unlisted: int = 0

    @property
    def agreement(self) -> float | None:
        return self.agree / self.n if self.n else None


def start_shadow(*, model: ModelVersion, user: User) -> None:
    """From now on each new scan is also asked of this candidate, after everything that people wait for."""
    require_installation_right(user)
    require_intact(model)
    with transaction.atomic():
        hold_model_in_service(alone=True)
        model.refresh_from_db()
        other = shadow_model()
        if other == model:
            return
        if other is not None:
            raise WrongState(
                _("Model %(other)s runs in shadow mode already, and only one can; stop it first.") % {"other": other}
            )
        model.start_shadowing()
        record_event(Action.SHADOW_STARTED, actor=user, subject=model)


def stop_shadow(*, model: ModelVersion, user: User) -> None:
    """What it has said stays for the report; what it was still to be asked is dropped."""
    require_installation_right(user)
    with transaction.atomic():
        hold_model_in_service(alone=True)
        model.refresh_from_db()
        model.stop_shadowing()
        drop_shadow_requests(model)
        record_event(Action.SHADOW_STOPPED, actor=user, subject=model)


def shadow_report(model: ModelVersion, *, user: User) -> ShadowReport:
    """At the sites that the user manages; scans whose answers the user must not see yet stay out."""
    asked = _asked_at_sites_of(user, model)
    pairs, hidden = _pairs(model, asked), asked.shadow()
    differing = [pair for pair in pairs if not pair.agrees or pair.service_positive != pair.shadow_positive]
    labelled = [pair for pair in pairs if pair.has_disease is not None]
    note_shown(user, [pair.scan.pk for pair in differing[:MOST_LISTED]])
    return ShadowReport(
        model=model,
        n=len(pairs),
        agree=sum(pair.agrees for pair in pairs),
        both_positive=_count(pairs, service=True, shadow=True),
        only_shadow_positive=_count(pairs, service=False, shadow=True),
        only_service_positive=_count(pairs, service=True, shadow=False),
        both_negative=_count(pairs, service=False, shadow=False),
        labelled=len(labelled),
        service=_tally([(pair.service_positive, bool(pair.has_disease)) for pair in labelled]),
        shadow=_tally([(pair.shadow_positive, bool(pair.has_disease)) for pair in labelled]),
        waiting=hidden.filter(status__in=PENDING).count(),
        failed=hidden.filter(status=PredictionStatus.FAILED).count(),
        disagreements=differing[:MOST_LISTED],
        unlisted=max(0, len(differing) - MOST_LISTED),
    )


def _asked_at_sites_of(user: User, model: ModelVersion) -> PredictionQuerySet:
    require_somewhere(user, Right.MANAGE)
    sites = sites_with(user, Right.MANAGE)
    asked = Prediction.objects.filter(model_version=model, scan__in=Scan.objects.ready())
    return asked.filter(scan__case__patient__site__in=sites).exclude(scan__in=hidden_scans(user))


def _pairs(model: ModelVersion, asked: PredictionQuerySet) -> list[Pair]:
    """Returns the newest first: what it said beside what another model says, the current answer above all."""
    mine = asked.filter(status=PredictionStatus.DONE).select_related("scan__case").prefetch_related("model_version")
    theirs = Prediction.objects.shown().filter(status=PredictionStatus.DONE, scan__in=asked.values("scan"))
    theirs = theirs.exclude(model_version=model).select_related("scan").prefetch_related("model_version")
    spoken: dict[int, Prediction] = {}
    for row in theirs.order_by("finished_at", "pk"):
        known = spoken.get(row.scan_id)
        if known is None or known.pk != known.scan.prediction_id:
            spoken[row.scan_id] = row
    return [
        Pair(row.scan, spoken[row.scan_id], row, _counts_as_positive(spoken[row.scan_id]), _counts_as_positive(row))
        for row in mine.order_by("-finished_at", "-pk")
        if row.scan_id in spoken
    ]


def _counts_as_positive(prediction: Prediction) -> bool:
    return is_positive(
        decision=prediction.decision, probability=prediction.probability, point=opinion_of(prediction).point
    )


def _count(pairs: list[Pair], *, service: bool, shadow: bool) -> int:
    return sum((pair.service_positive, pair.shadow_positive) == (service, shadow) for pair in pairs)


def _tally(judged: list[tuple[bool, bool]]) -> Tally:
    return Tally(
        found=judged.count((True, True)),
        missed=judged.count((False, True)),
        false_alarms=judged.count((True, False)),
        cleared=judged.count((False, False)),
    )
