"""The labelled set: which scans are in it, and why each of the others is not.

A scan is in it once every reader who decided agrees that it shows COVID-19 or does not. Only people's words count
here; what the model says has no part in it.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import models
from django.db.models import BooleanField, CharField, Count, Exists, F, IntegerField, OuterRef, Q, QuerySet, Value, When
from django.db.models import Case as Choose
from django.utils.translation import gettext_lazy as _

from accounts.models import Site, User
from accounts.rights import Right, sites_with
from cases.labels import Agreement
from cases.models import Label, Scan, ScanQuerySet, ScanStatus
from cases.reviews import hidden_scans


class Standing(models.TextChoices):
    """Whether a scan is in the set, or the first reason why it is not."""

    INCLUDED = "included", _("In the set")
    UNREVIEWED = "unreviewed", _("No reader has decided yet")
    DISAGREEMENT = "disagreement", _("The readers disagree")
    CANNOT_TELL = "cannot_tell", _("The readers cannot tell")
    SYNTHETIC = "synthetic", _("Synthetic, drawn for demonstration")
    WITHDRAWN = "withdrawn", _("Withdrawn")
    HIDDEN = "hidden", _("Hidden until you decide")


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


@dataclass(frozen=True)
class LabelCounts:
    """Scans by site, by whether they are in the set, and by how their readers agree."""

    by_site: list[SiteCounts]
    by_standing: list[tuple[Standing, int]]
    by_agreement: list[tuple[Agreement, int]]


def labels_shown_to(user: User, *, with_synthetic: bool = False) -> ScanQuerySet:
    """The scans of the sites that the user manages, each with `label`, `agreement`, `standing` and `reader_count`.

    A manager who also reads at a blinded site must learn none of them before deciding: of such scans they are empty
    already, and `standing` says so. Pages, addresses, filters, counts and exports use nothing else.
    """
    scans = _scans_at(sites_with(user, Right.MANAGE)).annotate(is_hidden=_is_hidden_from(user))
    return scans.annotate(
        label=Choose(When(is_hidden=True, then=Value(None)), default=F("final_label"), output_field=CharField()),
        agreement=Choose(When(is_hidden=True, then=Value(None)), default=_agreement(), output_field=CharField()),
        standing=_standing(with_synthetic, hides=True),
        reader_count=Choose(
            When(is_hidden=True, then=Value(0)), default=F("deciding_readers"), output_field=IntegerField()
        ),
    )


def _is_hidden_from(user: User) -> Exists | Value:
    """Most managers read at no blinded site; their set is then one pass over the scans."""
    if not sites_with(user, Right.REVIEW).filter(blinded_reads=True).exists():
        return Value(False, output_field=BooleanField())
    return Exists(hidden_scans(user).filter(pk=OuterRef("pk")))


def standings_at(sites: "Iterable[Site] | QuerySet[Site]", *, with_synthetic: bool = False) -> ScanQuerySet:
    """Everything of these sites, for building data sets; what a person sees comes from `labels_shown_to`."""
    return _scans_at(sites).annotate(agreement=_agreement(), standing=_standing(with_synthetic))


def _scans_at(sites: "Iterable[Site] | QuerySet[Site]") -> ScanQuerySet:
    return Scan.objects.filter(case__patient__site__in=sites).select_related("case__patient__site").order_by("pk")


def count_labels(scans: ScanQuerySet) -> LabelCounts:
    """Count `labels_shown_to` in one pass."""
    columns = ("case__patient__site__name", "standing", "label", "agreement")
    rows = list(scans.order_by().values_list(*columns).annotate(n=Count("pk")))
    sites: dict[str, Counter[str]] = {}
    standings, agreements = Counter[str](), Counter[str]()
    for site, standing, label, agreement, number in rows:
        column = {Standing.INCLUDED: label, Standing.HIDDEN: "hidden"}.get(standing, "excluded")
        sites.setdefault(site, Counter())[column] += number
        standings[standing] += number
        agreements[agreement] += number
    return LabelCounts(
        [SiteCounts(s, c["covid"], c["non_covid"], c["excluded"], c["hidden"]) for s, c in sorted(sites.items())],
        [(standing, standings[standing]) for standing in Standing if standing in standings],
        [(agreement, agreements[agreement]) for agreement in Agreement if agreement in agreements],
    )


def _agreement() -> Choose:
    """The twin in SQL of `cases.labels.agreement`; a test holds them together."""
    return Choose(
        When(deciding_readers=0, then=Value(Agreement.NONE.value)),
        When(final_label=None, then=Value(Agreement.DISAGREEMENT.value)),
        When(deciding_readers=1, then=Value(Agreement.SINGLE.value)),
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
        (Standing.UNREVIEWED, Q(deciding_readers=0)),
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
