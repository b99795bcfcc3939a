"""The reviews of scans as the pages show them: all of them, those that were superseded marked as such."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from cases.models import Review, Scan


@dataclass(frozen=True)
class ReviewInHistory:
    review: Review
    is_superseded: bool
    withdrawal: Review | None = None

    @property
    def newest_id(self) -> int:
        """The number of the newest row that is told with this decision."""
        return self.withdrawal.pk if self.withdrawal is not None else self.review.pk

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

    @property
    def withdrawn_words(self) -> str:
        if self.withdrawal is not None:
            seconds = int((self.withdrawal.created_at - self.review.created_at).total_seconds())
            words = ngettext(
                "withdrawn %(seconds)s second later by the same reader",
                "withdrawn %(seconds)s seconds later by the same reader",
                seconds,
            )
            return words % {"seconds": seconds}
        return _("as before a change that was withdrawn") if self.review.withdraws else ""


def reviews_by_scan(scans: Sequence[Scan]) -> dict[int, list[ReviewInHistory]]:
    """Returns the decisions on each scan, the oldest first. A withdrawal is said of the decision that it takes back."""
    found: dict[int, list[ReviewInHistory]] = {scan.pk: [] for scan in scans}
    rows = list(Review.objects.filter(scan__in=found).select_related("reader").order_by("created_at", "pk"))
    successors = {row.supersedes_id: row for row in rows}
    for row in rows:
        successor = successors.get(row.pk)
        withdrawal = successor if successor is not None and successor.withdraws else None
        if row.label:
            found[row.scan_id].append(ReviewInHistory(row, successor is not None, withdrawal))
    return found
