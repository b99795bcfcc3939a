"""What a line of a list of cases shows beyond the case itself, for a whole page in two queries."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Count, Sum

from accounts.models import User
from cases.disclosure import disclose_cases
from cases.models import Case, Scan, ScanStatus
from inference.models import Prediction, PredictionStatus


@dataclass(frozen=True)
class CaseRow:
    case: Case
    scans: int
    slices: int
    pending: int
    failed: int

    @property
    def answer(self) -> str:
        """Returns one word for the column of the model's answer: hidden, given, pending, failed, unasked or empty."""
        if not self.scans:
            return "empty"
        if self.case.answer_hidden:  # type: ignore[attr-defined]
            return "hidden"
        if self.case.shown_decision:  # type: ignore[attr-defined]
            return "given"
        if self.pending:
            return "pending"
        return "failed" if self.failed else "unasked"


def case_rows(user: User, cases: Iterable[Case]) -> list[CaseRow]:
    """Rows of cases that come from `cases.worklist`; what they show of answers counts as shown to the user."""
    page = list(cases)
    disclose_cases(user, page)
    ids = [case.pk for case in page]
    ready = Scan.objects.ready().filter(case__in=ids)
    counts = {
        row["case"]: (row["scans"], row["slices"])
        for row in ready.order_by().values("case").annotate(scans=Count("pk"), slices=Sum("slice_count"))
    }
    states = _prediction_states(ids)
    return [
        CaseRow(
            case,
            *counts.get(case.pk, (0, 0)),
            pending=states[case.pk][PredictionStatus.QUEUED] + states[case.pk][PredictionStatus.RUNNING],
            failed=states[case.pk][PredictionStatus.FAILED],
        )
        for case in page
    ]


def _prediction_states(ids: list[int]) -> defaultdict[int, Counter[str]]:
    unfinished = Prediction.objects.shown().filter(scan__case__in=ids, scan__status=ScanStatus.READY)
    rows = (
        unfinished.exclude(status=PredictionStatus.DONE)
        .order_by()
        .values_list("scan__case", "status")
        .annotate(Count("pk"))
    )
    states: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for case_id, status, count in rows:
        states[case_id][status] = count
    return states
