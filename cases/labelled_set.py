"""The labelled set: which scans are in it, and why each of the others is not.

A scan is in it once every reader who decided agrees that it shows COVID-19 or does not. Only people's words count
here; what the model says has no part in it.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import models
from django.db.models import Case as Choose
from django.db.models import CharField, Count, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce

from accounts.models import Site, User
from accounts.rights import Right, sites_with
from cases.labels import Agreement
from cases.models import Label, Review, Scan, ScanQuerySet, ScanStatus


class Standing(models.TextChoices):
    """Whether a scan is in the set, or the first reason why it is not."""

    INCLUDED = "included", "In the set"
    UNREVIEWED = "unreviewed", "No reader has decided yet"
    DISAGREEMENT = "disagreement", "The readers disagree"
    CANNOT_TELL = "cannot_tell", "The readers cannot tell"
    SYNTHETIC = "synthetic", "Synthetic, drawn for demonstration"
    WITHDRAWN = "withdrawn", "Withdrawn"


@dataclass(frozen=True)
class SiteCounts:
    """One line of the overview."""

    site: str
    covid: int
    non_covid: int
    excluded: int

    @property
    def included(self) -> int:
        return self.covid + self.non_covid

    @property
    def total(self) -> int:
        return self.included + self.excluded


def labelled_scans(user: User, *, with_synthetic: bool = False) -> ScanQuerySet:
    """The scans of the sites that the user manages, each with its `agreement` and `standing`."""
    return standings_at(sites_with(user, Right.MANAGE), with_synthetic=with_synthetic)


def standings_at(sites: "Iterable[Site] | QuerySet[Site]", *, with_synthetic: bool = False) -> ScanQuerySet:
    """The same of these sites, for callers that have checked the right."""
    return (
        Scan.objects.filter(case__patient__site__in=sites)
        .select_related("case__patient__site")
        .annotate(reader_count=_reader_count())
        .annotate(agreement=_agreement(), standing=_standing(with_synthetic))
        .order_by("case__patient__site__name", "pk")
    )


def counts_by_site(scans: ScanQuerySet) -> list[SiteCounts]:
    rows = scans.order_by().values_list("case__patient__site__name", "standing", "final_label").annotate(n=Count("pk"))
    counted: dict[str, Counter[str]] = {}
    for site, standing, label, number in rows:
        column = label if standing == Standing.INCLUDED else "excluded"
        counted.setdefault(site, Counter())[column] += number
    return [SiteCounts(site, c["covid"], c["non_covid"], c["excluded"]) for site, c in sorted(counted.items())]


def counts_by_standing(scans: ScanQuerySet) -> list[tuple[Standing, int]]:
    rows = dict(scans.order_by().values_list("standing").annotate(n=Count("pk")))
    return [(standing, rows[standing]) for standing in Standing if standing in rows]


def counts_by_agreement(scans: ScanQuerySet) -> list[tuple[Agreement, int]]:
    rows = dict(scans.order_by().values_list("agreement").annotate(n=Count("pk")))
    return [(agreement, rows[agreement]) for agreement in Agreement if agreement in rows]


def _reader_count() -> Coalesce:
    """A reader holds at most one current review of a scan, so reviews are readers."""
    current = Review.objects.current().filter(scan=OuterRef("pk")).order_by().values("scan")
    return Coalesce(Subquery(current.annotate(n=Count("pk")).values("n")), 0)


def _agreement() -> Choose:
    """The twin in SQL of `cases.labels.agreement`; a test holds them together."""
    return Choose(
        When(reader_count=0, then=Value(Agreement.NONE.value)),
        When(final_label=None, then=Value(Agreement.DISAGREEMENT.value)),
        When(reader_count=1, then=Value(Agreement.SINGLE.value)),
        default=Value(Agreement.CONSENSUS.value),
        output_field=CharField(),
    )


def _standing(with_synthetic: bool) -> Choose:
    """The first reason counts."""
    synthetic = Q(is_synthetic=True) | Q(case__patient__is_synthetic=True)
    reasons = [
        (Standing.WITHDRAWN, Q(status=ScanStatus.WITHDRAWN)),
        (Standing.SYNTHETIC, synthetic),
        (Standing.UNREVIEWED, Q(reader_count=0)),
        (Standing.DISAGREEMENT, Q(final_label=None)),
        (Standing.CANNOT_TELL, Q(final_label=Label.CANNOT_TELL)),
    ]
    return Choose(
        *(
            When(condition, then=Value(standing.value))
            for standing, condition in reasons
            if not (with_synthetic and standing == Standing.SYNTHETIC)
        ),
        default=Value(Standing.INCLUDED.value),
        output_field=CharField(),
    )
