"""A hospital whose readers decide scans with and without the model's answer on screen, as rows alone."""

from __future__ import annotations

import itertools
from typing import Any

from accounts.models import Site, User
from cases.models import Case, Label, Review, Scan
from inference.models import ModelVersion, Prediction
from tests.cast import make_patient, make_person
from tests.monitoring.conftest import row_answer, row_scan

LINES = {"slope": 1.0, "offset": 0.0, "operating_point": 0.5, "low": 0.4, "high": 0.6}
_names = itertools.count(1)


def thresholds() -> dict[str, Any]:
    return {"slice": LINES, "scan": LINES, "suitable": 0.5}


class Hospital:
    """`decide` brings one scan from its upload to a reader's decision."""

    def __init__(self, site: Site, model: ModelVersion, when: Any) -> None:
        self.site, self.model, self.when = site, model, when
        self.clinician = make_person(f"clinician{next(_names)}", (site, "clinician"))
        self.reader = make_person(f"reader{next(_names)}", (site, "reader"))

    def scan(self, probability: float, *, patient: Any = None, state: str = "suitable", **facts: Any) -> Scan:
        """Makes a scan that the model has answered by its own operating point, and nobody has decided."""
        scan = row_scan(patient or make_patient(self.site), self.clinician, at=self.when, **facts)
        decision = "covid" if probability >= 0.6 else "non_covid" if probability < 0.4 else "uncertain"
        decision = {"unlike_training": "uncertain", "unsuitable": "unsuitable"}.get(state, decision)
        prediction = row_answer(scan, self.model, decision, probability)
        known = {"raw_probability": probability, "suitability_state": state}
        Prediction.objects.filter(pk=prediction.pk).update(**known)
        return scan

    def decide(
        self, probability: float, label: str = "covid", *, blinded: bool = True, reader: User | None = None,
        scan: Scan | None = None, **facts: Any,
    ) -> Scan:  # fmt: skip
        scan = scan or self.scan(probability, **facts)
        scan.refresh_from_db()
        Review.objects.create(
            scan=scan, reader=reader or self.reader, label=label, was_blinded=blinded, reason="As I see it.",
            prediction_id=scan.prediction_id, model_decision=scan.decision,
        )  # fmt: skip
        self._summarise(scan)
        return scan

    def _summarise(self, scan: Scan) -> None:
        from cases.summaries import refresh_scan_label

        refresh_scan_label(scan)

    def fill(self, infected: int = 25, others: int = 40, **facts: Any) -> None:
        """The model ranks well and is far too low: infected scans lie around 0.3, others around 0.05."""
        for number in range(infected):
            self.decide(0.20 + 0.2 * number / max(1, infected), Label.COVID, **facts)
        for number in range(others):
            self.decide(0.02 + 0.15 * number / max(1, others), Label.NON_COVID, **facts)

    def cancel(self, scan: Scan) -> None:
        Case.objects.filter(pk=scan.case_id).update(status="cancelled", cancelled_reason="A slip.")
