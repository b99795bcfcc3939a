"""Building a data set: what is labelled now is frozen, with every patient in the split that never changes."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence

from django.contrib.postgres.aggregates import ArrayAgg
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from accounts.events import record_event
from accounts.models import Action, Site, User
from accounts.refusals import WrongState
from cases.models import Label, Review
from learning.datasets.collect import Candidate
from learning.datasets.dataset_counts import counts_of
from learning.datasets.diff import DatasetChanges, changes_since_previous
from learning.datasets.gathering import gather, require_dataset_right
from learning.datasets.splits import assign_splits
from learning.models import BaseSet, Dataset, DatasetScan, ExcludedScan, Exclusion, PatientSplit, Split

__all__ = ["DatasetChanges", "build_dataset", "changes_since_previous", "require_dataset_right"]

BATCH = 5000


def build_dataset(
    *,
    user: User | None,
    sites: Sequence[Site],
    base_sets: Sequence[BaseSet],
    with_synthetic: bool = False,
    consensus_only: bool = False,
) -> tuple[Dataset, bool]:
    """The frozen set and whether it is new; where nothing has changed, the one that holds the same already.

    `user` is empty on the command line. Raises PermissionDenied for a site that the user does not manage.
    """
    sites, base_sets = list(dict.fromkeys(sites)), list(dict.fromkeys(base_sets))
    found = gather(
        user=user, sites=sites, base_sets=base_sets, with_synthetic=with_synthetic, consensus_only=consensus_only
    )
    if not found.scans:
        raise WrongState(
            _("There is no labelled scan to build a data set of; review scans, or choose a base set or other sites.")
        )
    splits = assign_splits(found.patient_keys)
    dataset = Dataset(
        content_hash=content_hash(found.scans, splits, sites),
        with_synthetic=with_synthetic,
        consensus_only=consensus_only,
        created_by=user,
        previous=newest_of(sites),
        counts=count(found.scans, splits) | found.counted() | {"superseded_reviews": _superseded_reviews(sites)},
    )
    return _freeze(dataset, found.scans, splits, found.excluded, sites, base_sets)


def content_hash(scans: Iterable[Candidate], splits: dict[str, PatientSplit], sites: Iterable[Site]) -> str:
    """Over sites, scans, labels, patients, sides and image keys.

    The sites belong to it even where one adds no scan: they say who may see the data set.
    """
    hasher = hashlib.sha256("\t".join(sorted(site.slug for site in sites)).encode())
    for line in sorted(
        f"{scan.agreement == 'base'}\t{scan.source}\t{scan.name}\t{scan.label}\t{scan.patient_key}\t"
        f"{splits[scan.patient_key].split}\t{scan.content_key}"
        for scan in scans
    ):
        hasher.update(f"\n{line}".encode())
    return hasher.hexdigest()


def count(scans: Sequence[Candidate], splits: dict[str, PatientSplit]) -> dict:
    """What the data set's page shows; stored, so that it never has to be counted again."""
    return {
        "scans": len(scans),
        "images": sum(len(scan.pictures) for scan in scans),
        "patients": len({scan.patient_key for scan in scans}),
        "by_split": [
            {"split": split.value, **_count_side([s for s in scans if splits[s.patient_key].split == split])}
            for split in Split
        ],
        "by_source": _count_sources(scans),
        "by_agreement": dict(sorted(Counter(scan.agreement for scan in scans).items())),
    }


def _count_side(scans: Sequence[Candidate]) -> dict[str, int]:
    labels = Counter(scan.label for scan in scans)
    return {
        "patients": len({scan.patient_key for scan in scans}),
        "covid": labels[Label.COVID.value],
        "non_covid": labels[Label.NON_COVID.value],
        "images": sum(len(scan.pictures) for scan in scans),
    }


def _count_sources(scans: Sequence[Candidate]) -> list[dict]:
    """The sites first, by name; a base set may be called like a site."""
    found: dict[tuple[bool, str, str], Counter[str]] = {}
    for scan in scans:
        key = (scan.base_set_id is not None, scan.title, scan.source)
        found.setdefault(key, Counter())[scan.label] += 1
    return [
        {
            "source": source,
            "title": title,
            "is_base": is_base,
            "covid": labels[Label.COVID.value],
            "non_covid": labels[Label.NON_COVID.value],
        }
        for (is_base, title, source), labels in sorted(found.items())
    ]


def _superseded_reviews(sites: Sequence[Site]) -> int:
    reviews = Review.objects.filter(scan__case__patient__site__in=sites)
    return reviews.exclude(superseded_by=None).exclude(label="").count()


def newest_of(sites: Iterable[Site]) -> Dataset | None:
    """The newest data set of just these sites, with which this one will be compared."""
    wanted = {site.pk for site in sites}
    named = ArrayAgg("sites", filter=Q(sites__isnull=False), default=[])
    rows = Dataset.objects.annotate(site_ids=named).order_by("-pk")
    return next((dataset for dataset in rows.iterator() if set(dataset.site_ids) == wanted), None)


def _freeze(
    dataset: Dataset,
    scans: list[Candidate],
    splits: dict[str, PatientSplit],
    excluded: dict[int, Exclusion],
    sites: Sequence[Site],
    base_sets: Sequence[BaseSet],
) -> tuple[Dataset, bool]:
    """The unique content hash decides between two who build the same at once."""
    facts = ("with_synthetic", "consensus_only", "created_by", "previous", "counts")
    with transaction.atomic():
        stored, is_new = Dataset.objects.get_or_create(
            content_hash=dataset.content_hash, defaults={name: getattr(dataset, name) for name in facts}
        )
        if not is_new:
            return stored, False
        stored.sites.set(sites)
        stored.base_sets.set(base_sets)
        DatasetScan.objects.bulk_create((_row(stored, scan, splits) for scan in scans), batch_size=BATCH)
        ExcludedScan.objects.bulk_create(
            (ExcludedScan(dataset=stored, scan_id=scan, reason=reason) for scan, reason in excluded.items()),
            batch_size=BATCH,
        )
        record_of_sites(Action.DATASET_BUILT, stored, sites, dataset.created_by)
    return stored, True


def _row(dataset: Dataset, scan: Candidate, splits: dict[str, PatientSplit]) -> DatasetScan:
    return DatasetScan(
        dataset=dataset,
        scan_id=scan.scan_id,
        base_set_id=scan.base_set_id,
        name=scan.name,
        patient=splits[scan.patient_key],
        label=scan.label,
        source=scan.source,
        agreement=scan.agreement,
        review_ids=scan.review_ids,
        image_ids=[picture.pk for picture in scan.pictures],
        content_key=scan.content_key,
    )


def record_of_sites(action: Action, dataset: Dataset, sites: Sequence[Site], user: User | None) -> None:
    """Records one event for each site, whose managers then see it; of a data set without sites, one."""
    scans = counts_of(dataset).scans
    for site in sites:
        record_event(action, actor=user, site=site, subject=dataset, scans=scans)
    if not sites:
        record_event(action, actor=user, subject=dataset, scans=scans)
