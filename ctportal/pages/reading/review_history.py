"""The reviews of scans as the pages show them: all of them, those that were superseded marked as such."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from cases.models import Review, Scan


@dataclass(frozen=True)
class ReviewInHistory:
    review: Review
    is_superseded: bool

    @property
    def agreement(self) -> str:
        """Says whether the reader's label agreed with the model's answer of that moment."""
        if self.review.model_decision is None:
            return _("The model had not answered")
        if self.review.agrees is None:
            return _("The model had not decided")
        if self.review.was_blinded:
            return (
                _("Agrees with the model, decided blinded")
                if self.review.agrees
                else _("Differs from the model, decided blinded")
            )
        return _("Agrees with the model") if self.review.agrees else _("Differs from the model")


def reviews_by_scan(scans: Sequence[Scan]) -> dict[int, list[ReviewInHistory]]:
    """Returns the reviews of each scan, the oldest first."""
    found: dict[int, list[ReviewInHistory]] = {scan.pk: [] for scan in scans}
    rows = list(Review.objects.filter(scan__in=found).select_related("reader").order_by("created_at", "pk"))
    superseded = {row.supersedes_id for row in rows}
    for row in rows:
        found[row.scan_id].append(ReviewInHistory(row, row.pk in superseded))
    return found
