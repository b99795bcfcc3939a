"""Keeps on scans and cases what the worklist needs: the model's answer and the readers' word."""

from cases.labels import final_label
from cases.models import DECISIONS_BY_CONCERN, Case, Decision, Review, Scan


def record_answer(*, scan_id: int, prediction_id: int, decision: Decision | str, probability: float | None) -> None:
    """Notes the newest answer of the model; called inside the transaction that stores it."""
    scan = Scan.objects.only("case_id").get(pk=scan_id)
    Case.objects.select_for_update().get(pk=scan.case_id)
    Scan.objects.filter(pk=scan_id).update(decision=decision, probability=probability, prediction_id=prediction_id)
    refresh_case(scan.case_id)


def record_label_value(*, scan_id: int, label_value: float) -> None:
    """Notes how much a label would teach, 0 to 1. The caller holds the lock on the case."""
    if Scan.objects.filter(pk=scan_id).exclude(label_value=label_value).update(label_value=label_value):
        refresh_case(Scan.objects.only("case_id").get(pk=scan_id).case_id)


def refresh_scan_label(scan: Scan) -> None:
    labels = Review.objects.filter(scan=scan).current().values_list("label", flat=True)
    scan.final_label = final_label(list(labels))
    scan.save(update_fields=["final_label"])


def refresh_case(case_id: int) -> None:
    """The caller holds the lock on the case."""
    scans = list(Scan.objects.filter(case=case_id).ready().values_list("decision", "final_label", "label_value"))
    decisions = {decision for decision, _, _ in scans}
    labels = [label for _, label, _ in scans if label]
    agreed = len(labels) == len(scans)
    Case.objects.filter(pk=case_id).update(
        decision=next((d for d in DECISIONS_BY_CONCERN if d in decisions), None),
        final_label=_most_concerning(labels) if scans and agreed else None,
        needs_review=bool(scans) and not agreed,
        label_value=max((label_value for _, label, label_value in scans if not label), default=0.0),
    )


def _most_concerning(labels: list[str]) -> str:
    return min(labels, key=["covid", "cannot_tell", "non_covid"].index)
