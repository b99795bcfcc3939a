"""Finds answers by whether the scan can be judged and looks like the training data."""

from django.db.models import Exists, OuterRef, Q

from cases.models import CaseQuerySet, Decision, Scan
from inference.models import Prediction, PredictionQuerySet, PredictionStatus, SuitabilityState


def cases_unlike_training(cases: CaseQuerySet) -> CaseQuerySet:
    """Narrows `cases.worklist.cases_shown_to` to cases with such a current answer that is not hidden from the user."""
    unlike = Prediction.objects.filter(suitability_state=SuitabilityState.UNLIKE_TRAINING).values("pk")
    scans = Scan.objects.ready().filter(case=OuterRef("pk"), prediction_id__in=unlike)
    return cases.filter(Exists(scans), answer_hidden=False)


def with_suitability(rows: PredictionQuerySet, state: str) -> PredictionQuerySet:
    """Selects as `Prediction.known_suitability` says it of one row: of older answers the decision implies the state."""
    older = Q(suitability_state="", status=PredictionStatus.DONE)
    if state == SuitabilityState.UNSUITABLE:
        return rows.filter(Q(suitability_state=state) | (older & Q(decision=Decision.UNSUITABLE)))
    if state == SuitabilityState.SUITABLE:
        return rows.filter(Q(suitability_state=state) | (older & ~Q(decision=Decision.UNSUITABLE)))
    return rows.filter(suitability_state=state)
