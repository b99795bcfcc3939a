"""Whether a model's answer counts as positive: one rule for shadow reports, comparisons and pages."""

from cases.models import Decision


def is_positive(*, decision: str | None, probability: float | None, point: float | None) -> bool:
    """As a confusion matrix counts: a clear answer as it is, any other by the probability at the operating point.

    Without a probability or a point an answer that is not clear counts as negative.
    """
    if decision in (Decision.COVID, Decision.NON_COVID):
        return decision == Decision.COVID
    return probability is not None and point is not None and probability >= point
