"""Measures how readers agree: Cohen's kappa of each pair, and over all pairs.

Three labels count, “cannot tell” among them. Sources: Cohen 1960 (kappa, and its approximate standard error),
Light 1971 (several readers), Landis and Koch 1977 (the words).
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from django.db.models import Count, Exists, F, Max, Min, OuterRef, Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from cases.models import Label, Review, ReviewQuerySet
from monitoring.results import ReaderAgreement, ReaderPair

LABELS = [label.value for label in Label]
Table = Mapping[tuple[str, str], int]  # how often the first said this and the second that
WORDS = (
    (0.8, gettext_lazy("Almost perfect agreement.")),
    (0.6, gettext_lazy("Substantial agreement.")),
    (0.4, gettext_lazy("Moderate agreement.")),
    (0.2, gettext_lazy("Fair agreement.")),
    (0.0, gettext_lazy("Slight agreement.")),
)


def reader_agreement(reviews: ReviewQuerySet, *, least: int) -> ReaderAgreement:
    """Of current reviews. `least`: common scans from which on a kappa is put into words."""
    tables = _tables(reviews)
    names = {user.pk: user.display_name for user in User.objects.filter(pk__in={pk for pair in tables for pk in pair})}
    pairs = [_pair(pair, names, table, least) for pair, table in tables.items()]
    pairs.sort(key=lambda pair: (-pair.scans, pair.first, pair.second))
    scans, disagreements = _read_by_several(reviews)
    kappa = mean_kappa(pairs)
    return ReaderAgreement(scans, disagreements, kappa, words_for_kappa(kappa, scans, least=least), pairs)


def cohens_kappa(table: Table) -> float | None:
    """Agreement beyond chance, at most 1; None where chance alone would make both agree always, or of nothing."""
    n = sum(table.values())
    if not n:
        return None
    observed, expected = _observed(table, n), _expected(table, n)
    return (observed - expected) / (1 - expected) if expected < 1 else None


def kappa_interval(table: Table) -> tuple[float, float] | None:
    """Returns the 95 % interval by the large-sample standard error, inside -1 to 1; None where nothing varies that
    could show it.
    """
    kappa, n = cohens_kappa(table), sum(table.values())
    if kappa is None:
        return None
    observed, expected = _observed(table, n), _expected(table, n)
    if observed in (0.0, 1.0):
        return None
    half = 1.96 * math.sqrt(observed * (1 - observed) / n) / (1 - expected)
    return max(-1.0, kappa - half), min(1.0, kappa + half)


def mean_kappa(pairs: Sequence[ReaderPair]) -> float | None:
    """Each pair by the number of scans that both have decided."""
    defined = [(pair.kappa, pair.scans) for pair in pairs if pair.kappa is not None]
    if not defined:
        return None
    return sum(kappa * scans for kappa, scans in defined) / sum(scans for _, scans in defined)


def words_for_kappa(kappa: float | None, scans: int, *, least: int) -> str:
    if not scans:
        return _("No scan has been decided by two readers.")
    if kappa is None:
        return _("Not defined: every decision is the same label, so that agreement may be chance.")
    if scans < least:
        return _("Too few scans to tell (at least %(least)s).") % {"least": least}
    return next(
        (str(words) for bound, words in WORDS if kappa > bound),
        _("No better than chance."),
    )


def _observed(table: Table, n: int) -> float:
    return sum(table.get((label, label), 0) for label in LABELS) / n


def _expected(table: Table, n: int) -> float:
    first = {label: sum(count for (said, _), count in table.items() if said == label) for label in LABELS}
    second = {label: sum(count for (_, said), count in table.items() if said == label) for label in LABELS}
    return sum(first[label] * second[label] for label in LABELS) / n**2


def _tables(reviews: ReviewQuerySet) -> dict[tuple[int, int], dict[tuple[str, str], int]]:
    """Counts, for each two readers, the one with the lower number first, how often which two labels met on a scan."""
    met = (
        reviews.filter(
            ~Exists(Review.objects.filter(supersedes=OuterRef("scan__reviews"))),
            scan__deciding_readers__gt=1,
            scan__reviews__reader__gt=F("reader"),
            scan__reviews__label__in=Label.values,  # none is left of a decision that was withdrawn
        )
        .values_list("reader", "scan__reviews__reader", "label", "scan__reviews__label")
        .annotate(n=Count("pk"))
    )
    tables: defaultdict[tuple[int, int], dict[tuple[str, str], int]] = defaultdict(dict)
    for first, second, one, other, n in met:
        tables[first, second][one, other] = n
    return dict(tables)


def _read_by_several(reviews: ReviewQuerySet) -> tuple[int, int]:
    shared = reviews.filter(scan__deciding_readers__gt=1)
    scans = shared.values("scan").annotate(readers=Count("pk"), least=Min("label"), most=Max("label"))
    found = scans.filter(readers__gt=1).aggregate(n=Count("scan"), differ=Count("scan", filter=~Q(least=F("most"))))
    return found["n"], found["differ"]


def _pair(pair: tuple[int, int], names: Mapping[int, str], table: Table, least: int) -> ReaderPair:
    scans, kappa = sum(table.values()), cohens_kappa(table)
    low, high = kappa_interval(table) or (None, None)
    return ReaderPair(
        first_id=pair[0],
        first=names[pair[0]],
        second_id=pair[1],
        second=names[pair[1]],
        scans=scans,
        agreed=sum(table.get((label, label), 0) for label in LABELS),
        kappa=kappa,
        low=low,
        high=high,
        words=words_for_kappa(kappa, scans, least=least),
    )
