"""Keeps on scans and cases what the worklist needs: the model's answer and the readers' word."""

from django.db.models import Case as Choose
from django.db.models import F, Value, When

from cases.labels import disagree, final_label
from cases.models import DECISIONS_BY_CONCERN, Case, CaseStatus, Decision, Review, Scan


def record_answer(*, scan_id: int, prediction_id: int, decision: Decision | str, probability: float | None) -> None:
    """Notes the newest answer of the model; called inside the transaction that stores it."""
    scan = Scan.objects.only("case_id").get(pk=scan_id)
    Case.objects.select_for_update().get(pk=scan.case_id)
    Scan.objects.filter(pk=scan_id).update(decision=decision, probability=probability, prediction_id=prediction_id)
    refresh_case(scan.case_id)


def record_label_value(*, scan_id: int, label_value: float) -> None:
    """Notes how useful a label would be for training, 0 to 1. The caller holds the lock on the case."""
    if Scan.objects.filter(pk=scan_id).exclude(label_value=label_value).update(label_value=label_value):
        refresh_case(Scan.objects.only("case_id").get(pk=scan_id).case_id)


def refresh_scan_label(scan: Scan) -> None:
    labels = list(Review.objects.filter(scan=scan).current().values_list("label", flat=True))
    scan.final_label, scan.readers_disagree = final_label(labels), disagree(labels)
    scan.deciding_readers = len(labels)  # a reader holds at most one current review of a scan
    scan.save(update_fields=["final_label", "readers_disagree", "deciding_readers"])


def refresh_case(case_id: int) -> None:
    """The caller holds the lock on the case."""
    columns = ("decision", "final_label", "label_value", "readers_disagree")
    scans = list(Scan.objects.filter(case=case_id).ready().values_list(*columns))
    decisions = {decision for decision, *_ in scans}
    labels = [label for _, label, *_ in scans if label]
    decided = bool(scans) and len(labels) == len(scans)
    Case.objects.filter(pk=case_id).update(
        decision=next((d for d in DECISIONS_BY_CONCERN if d in decisions), None),
        final_label=_most_concerning(labels) if decided else None,
        needs_review=bool(scans) and not decided,
        readers_disagree=any(disagreed for *_, disagreed in scans),
        label_value=max((value for _, label, value, _ in scans if not label), default=0.0),
        status=_status(decided),
    )


def _status(decided: bool) -> Choose:
    """A case in review is decided while every scan has a label; other states are moved by people alone."""
    now = CaseStatus.DECIDED if decided else CaseStatus.IN_REVIEW
    moved = When(status__in=[CaseStatus.IN_REVIEW, CaseStatus.DECIDED], then=Value(now.value))
    return Choose(moved, default=F("status"))


def _most_concerning(labels: list[str]) -> str:
    return min(labels, key=["covid", "cannot_tell", "non_covid"].index)
