"""The labelled set: which scans are in it, and why each of the others is not.

A scan is in it once every reader who decided agrees that it shows COVID-19 or does not. Only people's words count
here; what the model says has no part in it.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import models
from django.db.models import Case as Choose
from django.db.models import CharField, Count, Exists, F, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce

from accounts.models import Site, User
from accounts.rights import Right, sites_with
from cases.labels import Agreement
from cases.models import Label, Review, Scan, ScanQuerySet, ScanStatus
from cases.reviews import hidden_scans


class Standing(models.TextChoices):
    """Whether a scan is in the set, or the first reason why it is not."""

    INCLUDED = "included", "In the set"
    UNREVIEWED = "unreviewed", "No reader has decided yet"
    DISAGREEMENT = "disagreement", "The readers disagree"
    CANNOT_TELL = "cannot_tell", "The readers cannot tell"
    SYNTHETIC = "synthetic", "Synthetic, drawn for demonstration"
    WITHDRAWN = "withdrawn", "Withdrawn"
    HIDDEN = "hidden", "Hidden until you decide"


@dataclass(frozen=True)
class SiteCounts:
    """Describes one line of the overview."""

    site: str
    covid: int
    non_covid: int
    excluded: int
    hidden: int = 0  # to be decided by the user first, who must not learn whether they are in the set

    @property
    def included(self) -> int:
        return self.covid + self.non_covid

    @property
    def total(self) -> int:
        return self.included + self.excluded + self.hidden


def labels_shown_to(user: User, *, with_synthetic: bool = False) -> ScanQuerySet:
    """The scans of the sites that the user manages, each with `label`, `agreement`, `standing` and `reader_count`.

    A manager who also reads at a blinded site must learn none of them before deciding: of such scans they are empty
    already, and `standing` says so. Pages, addresses, filters, counts and exports use nothing else.
    """
    hidden = hidden_scans(user).filter(pk=OuterRef("pk"))
    scans = _scans_at(sites_with(user, Right.MANAGE)).annotate(is_hidden=Exists(hidden))
    return scans.annotate(
        label=Choose(When(is_hidden=True, then=Value(None)), default=F("final_label"), output_field=CharField()),
        agreement=Choose(When(is_hidden=True, then=Value(None)), default=_agreement(), output_field=CharField()),
        standing=_standing(with_synthetic, hides=True),
        reader_count=Choose(When(is_hidden=True, then=Value(0)), default=F("all_readers")),
    )


def standings_at(sites: "Iterable[Site] | QuerySet[Site]", *, with_synthetic: bool = False) -> ScanQuerySet:
    """Everything of these sites, for building data sets; what a person sees comes from `labels_shown_to`."""
    return _scans_at(sites).annotate(agreement=_agreement(), standing=_standing(with_synthetic))


def _scans_at(sites: "Iterable[Site] | QuerySet[Site]") -> ScanQuerySet:
    return (
        Scan.objects.filter(case__patient__site__in=sites)
        .select_related("case__patient__site")
        .annotate(all_readers=_reader_count())
        .order_by("case__patient__site__name", "pk")
    )


def counts_by_site(scans: ScanQuerySet) -> list[SiteCounts]:
    """Counts the rows of `labels_shown_to`."""
    rows = scans.order_by().values_list("case__patient__site__name", "standing", "label").annotate(n=Count("pk"))
    counted: dict[str, Counter[str]] = {}
    for site, standing, label, number in rows:
        column = {Standing.INCLUDED: label, Standing.HIDDEN: "hidden"}.get(standing, "excluded")
        counted.setdefault(site, Counter())[column] += number
    return [
        SiteCounts(site, c["covid"], c["non_covid"], c["excluded"], c["hidden"]) for site, c in sorted(counted.items())
    ]


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
        When(all_readers=0, then=Value(Agreement.NONE.value)),
        When(final_label=None, then=Value(Agreement.DISAGREEMENT.value)),
        When(all_readers=1, then=Value(Agreement.SINGLE.value)),
        default=Value(Agreement.CONSENSUS.value),
        output_field=CharField(),
    )


def _standing(with_synthetic: bool, *, hides: bool = False) -> Choose:
    """The first reason counts; what has nothing to do with labels is said of hidden scans too."""
    synthetic = Q(is_synthetic=True) | Q(case__patient__is_synthetic=True)
    reasons = [
        (Standing.WITHDRAWN, Q(status=ScanStatus.WITHDRAWN)),
        (Standing.SYNTHETIC, synthetic),
        *([(Standing.HIDDEN, Q(is_hidden=True))] if hides else []),
        (Standing.UNREVIEWED, Q(all_readers=0)),
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
