"""What the page of a data set lists: its scans and what was left out, with ways only to cases that the user may see.

A manager of a blinded site who also reads there must not learn here what colleagues decided of a scan: such rows carry
`is_hidden`, and choosing by label or agreement leaves them out.
"""

from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet, Subquery

from accounts.models import User
from cases.models import Scan
from cases.reviews import hidden_scans
from learning.models import Dataset


@dataclass(frozen=True)
class ScanFilters:
    """Empty chooses nothing away."""

    split: str = ""
    label: str = ""
    source: str = ""
    agreement: str = ""
    name: str = ""


NO_FILTERS = ScanFilters()


def scans_of_dataset(dataset: Dataset, user: User, filters: ScanFilters = NO_FILTERS) -> QuerySet[Any]:
    """For a paginator. Each row has `is_hidden`, and `visible_case_id` where there is a case that the user may see."""
    rows = dataset.scans.select_related("patient", "base_set")
    chosen = {
        "patient__split": filters.split,
        "label": filters.label,
        "source": filters.source,
        "agreement": filters.agreement,
        "name__icontains": filters.name.strip(),
    }
    rows = rows.filter(**{field: value for field, value in chosen.items() if value})
    rows = rows.annotate(visible_case_id=_visible_case(user), is_hidden=_is_hidden(user)).order_by("pk")
    return rows.filter(is_hidden=False) if filters.label or filters.agreement else rows


def excluded_of_dataset(dataset: Dataset, user: User, reason: str = "") -> QuerySet[Any]:
    """What was left out, with the reason as it was when the data set froze; otherwise as above."""
    rows = dataset.excluded_scans.filter(reason=reason) if reason else dataset.excluded_scans.all()
    return rows.annotate(visible_case_id=_visible_case(user), is_hidden=_is_hidden(user)).order_by("scan_id")


def _visible_case(user: User) -> Subquery:
    visible = Scan.objects.visible_to(user).filter(pk=OuterRef("scan"))
    return Subquery(visible.order_by().values("case")[:1])


def _is_hidden(user: User) -> Exists:
    return Exists(hidden_scans(user).filter(pk=OuterRef("scan")))
