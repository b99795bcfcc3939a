"""What a person sees of a data set: its scans, what was left out, and how many there are of each kind.

A manager of a blinded site who also reads there must not learn here what colleagues decided of a scan, and being in a
data set or left out of it tells that too: scans that are still to be decided are in neither list and in no number.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import OuterRef, Q, QuerySet, Subquery

from accounts.models import User
from cases.models import Scan
from cases.reviews import hidden_scans, reads_blinded
from learning.datasets.dataset_counts import DatasetCounts, read_counts
from learning.models import Dataset, DatasetScan, ExcludedScan, Split


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
    """Returns the scans for a paginator. Each row has `visible_case_id` where there is a case that the user may see."""
    rows = dataset.scans.select_related("patient", "base_set")
    chosen = {
        "patient__split": filters.split,
        "label": filters.label,
        "source": filters.source,
        "agreement": filters.agreement,
        "name__icontains": filters.name.strip(),
    }
    rows = rows.filter(**{field: value for field, value in chosen.items() if value})
    return _shown(rows, user).order_by("pk")


def excluded_of_dataset(dataset: Dataset, user: User, reason: str = "") -> QuerySet[Any]:
    """What was left out, with the reason as it was when the data set froze; otherwise as above."""
    rows = dataset.excluded_scans.filter(reason=reason) if reason else dataset.excluded_scans.all()
    return _shown(rows, user).order_by("scan_id")


def _shown(rows: QuerySet[Any], user: User) -> QuerySet[Any]:
    visible = Scan.objects.visible_to(user).filter(pk=OuterRef("scan"))
    rows = rows.filter(Q(scan=None) | ~Q(scan__in=hidden_scans(user)))
    return rows.annotate(visible_case_id=Subquery(visible.order_by().values("case")[:1]))


def known_to(user: User | None) -> Q:
    """Of a data set's rows: those that the user may count. Without a user it is the administrator's command: all."""
    if user is None or not reads_blinded(user):
        return Q()
    return Q(scan=None) | ~Q(scan__in=hidden_scans(user))


def hidden_in(dataset: Dataset, user: User) -> int:
    """How many scans the user has to decide on before learning whether they are in the data set."""
    return len(_hidden_by_dataset(user, [dataset.pk]).get(dataset.pk, ()))


def counts_shown_to(user: User, datasets: Iterable[Dataset]) -> dict[int, dict[str, Any]]:
    """`Dataset.counts` of each, by its id; without the scans hidden from the user, whose number is `hidden`."""
    datasets = list(datasets)
    hidden = _hidden_by_dataset(user, [dataset.pk for dataset in datasets])
    return {
        dataset.pk: _counted_anew(dataset, user, len(hidden[dataset.pk])) if dataset.pk in hidden else dataset.counts
        for dataset in datasets
    }


def shown_counts(user: User, dataset: Dataset) -> DatasetCounts:
    """Reads the same of one data set."""
    return read_counts(counts_shown_to(user, [dataset])[dataset.pk])


def _hidden_by_dataset(user: User, ids: list[int]) -> dict[int, set[int]]:
    """One query for everybody who reads nowhere blinded, which is nearly everybody."""
    if not reads_blinded(user) or not hidden_scans(user).exists():
        return {}
    found: dict[int, set[int]] = {}
    for rows in (DatasetScan.objects, ExcludedScan.objects):
        held = rows.filter(dataset__in=ids, scan__in=hidden_scans(user)).order_by()
        for dataset, scan in held.values_list("dataset", "scan"):
            found.setdefault(dataset, set()).add(scan)
    return found


def _counted_anew(dataset: Dataset, user: User, hidden: int) -> dict[str, Any]:
    rows = list(
        scans_of_dataset(dataset, user).values_list(
            "patient__split", "patient", "label", "source", "base_set", "agreement", "image_ids"
        )
    )
    reasons = Counter(excluded_of_dataset(dataset, user).order_by().values_list("reason", flat=True))
    return dataset.counts | {
        "scans": len(rows),
        "images": sum(len(images) for *_, images in rows),
        "patients": len({patient for _, patient, *_ in rows}),
        "by_split": [_side(split, [row for row in rows if row[0] == split]) for split in Split.values],
        "by_source": _sources(dataset, rows),
        "by_agreement": dict(sorted(Counter(agreement for *_, agreement, _ in rows).items())),
        "excluded": dict(sorted(reasons.items())),
        "superseded_reviews": 0,
        "hidden": hidden,
    }


def _side(split: str, rows: list[tuple]) -> dict[str, Any]:
    labels = Counter(label for _, _, label, *_ in rows)
    return {
        "split": split,
        "patients": len({patient for _, patient, *_ in rows}),
        "covid": labels["covid"],
        "non_covid": labels["non_covid"],
        "images": sum(len(images) for *_, images in rows),
    }


def _sources(dataset: Dataset, rows: list[tuple]) -> list[dict[str, Any]]:
    """The same lines as the frozen ones, whose names do not change."""
    labels = Counter((base_set is not None, source, label) for _, _, label, source, base_set, *_ in rows)
    lines = []
    for line in dataset.counts.get("by_source") or []:
        key = bool(line.get("is_base")), line.get("source")
        lines.append(line | {"covid": labels[*key, "covid"], "non_covid": labels[*key, "non_covid"]})
    return lines
