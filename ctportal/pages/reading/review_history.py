"""The reviews of scans as the pages show them: all of them, those that were superseded marked as such."""

from collections.abc import Sequence
from dataclasses import dataclass

from cases.models import Review, Scan


@dataclass(frozen=True)
class ToldReview:
    review: Review
    is_superseded: bool

    @property
    def agreement(self) -> str:
        """Says whether the reader's label agreed with the model's answer of that moment."""
        if self.review.model_decision is None:
            return "The model had not answered"
        if self.review.agrees is None:
            return "The model had not decided"
        words = "Agrees with the model" if self.review.agrees else "Differs from the model"
        return f"{words}, decided blinded" if self.review.was_blinded else words


def reviews_by_scan(scans: Sequence[Scan]) -> dict[int, list[ToldReview]]:
    """Returns the reviews of each scan, the oldest first."""
    told: dict[int, list[ToldReview]] = {scan.pk: [] for scan in scans}
    rows = list(Review.objects.filter(scan__in=told).select_related("reader").order_by("created_at", "pk"))
    superseded = {row.supersedes_id for row in rows}
    for row in rows:
        told[row.scan_id].append(ToldReview(row, row.pk in superseded))
    return told
