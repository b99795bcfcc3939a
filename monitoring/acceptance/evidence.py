"""Finds the decided scans that say how a model does at a site.

A scan counts as evidence where every reader who decided agrees, and at least one of them held that decision before
any answer of a model was shown for the scan: at a blinded first read, or where no answer was there to be seen. A label
given with the answer on screen follows the answer, so such scans are counted apart and no point is fitted to them.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Coalesce

from accounts.models import Site, User
from accounts.rights import Right, rights_at
from cases.models import CaseStatus, Decision, Label, Review, ScanStatus
from cases.reviews import hidden_scans
from inference.models import ModelVersion, Prediction, PredictionQuerySet, PredictionStatus, SuitabilityState
from ml.evaluation.site_point import DecidedScans

MOST_SCANS = 2000  # the newest; more say little more of a site as it is now


@dataclass(frozen=True)
class DecidedScan:
    """Holds one scan with the readers' label and what the model had said of it."""

    scan_id: int
    prediction_id: int
    patient_id: int
    label: str
    raw_probability: float
    slices: int
    is_unlike_training: bool

    @property
    def is_infected(self) -> bool:
        return self.label == Label.COVID


@dataclass(frozen=True)
class Evidence:
    """Holds the decided scans of one model at one site, as far as one user may know of them."""

    scans: Sequence[DecidedScan]
    leaves_out: bool = False  # scans are hidden from this user, who has to decide on them first

    @property
    def n(self) -> int:
        return len(self.scans)

    @property
    def infected(self) -> int:
        return sum(scan.is_infected for scan in self.scans)

    @property
    def not_infected(self) -> int:
        return self.n - self.infected

    @property
    def patients(self) -> int:
        return len({scan.patient_id for scan in self.scans})

    @property
    def unlike_training(self) -> int:
        return sum(scan.is_unlike_training for scan in self.scans)

    @property
    def has_both_labels(self) -> bool:
        return bool(self.infected and self.not_infected)

    @cached_property
    def decided(self) -> DecidedScans:
        return DecidedScans(
            probabilities=np.array([scan.raw_probability for scan in self.scans], float),
            labels=np.array([scan.is_infected for scan in self.scans], int),
            patients=np.array([scan.patient_id for scan in self.scans]),
            left_to_reader=np.array([scan.is_unlike_training for scan in self.scans], bool),
        )

    @cached_property
    def key(self) -> str:
        """Changes when a scan joins or leaves, or a label changes."""
        rows = sorted((scan.prediction_id, scan.label) for scan in self.scans)
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()

    def as_stored(self) -> list[list[object]]:
        return [[scan.scan_id, scan.prediction_id, scan.label] for scan in self.scans]


def evidence_of(user: User, *, site: Site, model: ModelVersion) -> Evidence:
    """Returns the scans that were decided without the answer."""
    return _read(user, site, decided_answers(site=site, model=model).filter(independent=True))


def unblinded_evidence_of(user: User, *, site: Site, model: ModelVersion) -> Evidence:
    """Returns the scans that were decided with an answer on screen; they are shown apart."""
    return _read(user, site, decided_answers(site=site, model=model).filter(independent=False))


def decided_answers(*, site: Site, model: ModelVersion) -> PredictionQuerySet:
    """Selects the model's answers at the site to scans with an agreed label, each with `raw` and `independent`.

    Answers that nobody was shown count too, so a model that ran in shadow mode brings evidence along. Not counted are
    withdrawn, cancelled and synthetic scans, those on which readers differ or cannot tell, and those that the model
    found not suitable.
    """
    before_an_answer = Q(was_blinded=True) | Q(prediction_id=None)
    blinded = Review.objects.current().filter(
        before_an_answer, scan=OuterRef("scan"), label=OuterRef("scan__final_label")
    )
    return (
        Prediction.objects.filter(
            model_version=model,
            status=PredictionStatus.DONE,
            scan__case__patient__site=site,
            scan__status=ScanStatus.READY,
            scan__final_label__in=(Label.COVID, Label.NON_COVID),
            scan__is_synthetic=False,
            scan__case__patient__is_synthetic=False,
        )
        .exclude(decision=Decision.UNSUITABLE)
        .exclude(scan__case__status=CaseStatus.CANCELLED)
        .annotate(raw=Coalesce("raw_probability", "probability"), independent=Exists(blinded))
        .order_by("-pk")
    )


def shown_to(user: User, site: Site, rows: PredictionQuerySet) -> PredictionQuerySet:
    """Leaves out the scans on which this user has still to decide blinded: counts of labels would tell of them."""
    if not (site.blinded_reads and Right.REVIEW in rights_at(user, site)):
        return rows
    return rows.exclude(scan__in=hidden_scans(user).values("pk"))


def leaves_out(user: User, site: Site) -> bool:
    """Says whether scans of this site are hidden from the user now, whatever was decided on them."""
    if not (site.blinded_reads and Right.REVIEW in rights_at(user, site)):
        return False
    return hidden_scans(user).filter(case__patient__site=site).exists()


def _read(user: User, site: Site, rows: PredictionQuerySet) -> Evidence:
    shown = shown_to(user, site, rows).annotate(patient=F("scan__case__patient"), label=F("scan__final_label"))
    columns = ("scan", "pk", "patient", "label", "raw", "scan__slice_count", "suitability_state")
    return Evidence(
        [
            DecidedScan(*(*facts, state == SuitabilityState.UNLIKE_TRAINING))
            for *facts, state in shown.values_list(*columns)[:MOST_SCANS]
        ],
        leaves_out=leaves_out(user, site),
    )
