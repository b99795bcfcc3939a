"""Which answers and reviews are counted: those of models in service, on ready scans, that the user may know."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from django.db.models import F, Q

from accounts.models import Site, User
from accounts.rights import Right, require, require_somewhere, sites_with
from cases.models import Review, ReviewQuerySet, ScanQuerySet, ScanStatus
from cases.reviews import hidden_scans
from inference.models import Prediction, PredictionQuerySet
from monitoring.period import Period


@dataclass(frozen=True)
class Population:
    """Describes one user's view of some sites in a time."""

    user: User
    sites: Sequence[Site]
    period: Period

    @cached_property
    def _at_these_sites(self) -> Q:
        """Nothing to ask where they are all the sites there are, which spares two joins."""
        if self.sites and len(self.sites) == Site.objects.count():
            return Q()
        return Q(scan__case__patient__site__in=self.sites)

    @cached_property
    def hidden(self) -> ScanQuerySet | None:
        """Scans about which a blinded reader must learn nothing yet; None where the user is no blinded reader."""
        blinded = sites_with(self.user, Right.REVIEW).filter(blinded_reads=True)
        ids = set(blinded.values_list("pk", flat=True)) & {site.pk for site in self.sites}
        return hidden_scans(self.user).filter(case__patient__site__in=ids) if ids else None

    @cached_property
    def predictions(self) -> PredictionQuerySet:
        """Of models in service, by the time at which they were asked."""
        rows = self._asked
        return rows if self.hidden is None else rows.exclude(scan__in=self.hidden.values("pk"))

    def left_out(self) -> int:
        """How many scans are not counted because the user has to decide on them first."""
        if self.hidden is None:
            return 0
        hidden = self._asked.filter(scan__in=self.hidden.values("pk"))
        return hidden.order_by().values("scan").distinct().count()

    @cached_property
    def _asked(self) -> PredictionQuerySet:
        """Silent answers never count (`shown`), nor do those to withdrawn scans."""
        rows = Prediction.objects.shown().filter(
            scan__status=ScanStatus.READY,
            queued_at__gte=self.period.begins_at,
            queued_at__lt=self.period.ends_before,
        )
        return rows.filter(self._at_these_sites).order_by()

    @cached_property
    def reviews(self) -> ReviewQuerySet:
        """What each reader holds now of the scans that came in the time."""
        rows = (
            Review.objects.current()
            .filter(
                self._at_these_sites,
                scan__status=ScanStatus.READY,
                scan__uploaded_at__gte=self.period.begins_at,
                scan__uploaded_at__lt=self.period.ends_before,
            )
            .order_by()
        )
        return rows if self.hidden is None else rows.exclude(scan__in=self.hidden.values("pk"))


def sites_watched(user: User, site: Site | None) -> list[Site]:
    """Returns the one chosen, else all that the user manages. Raises PermissionDenied where there is none."""
    if site is not None:
        require(user, site, Right.MANAGE)
        return [site]
    require_somewhere(user, Right.MANAGE)
    return list(sites_with(user, Right.MANAGE))


def standing() -> Q:
    """Of a scan read by several models, the answer that people see; an attempt where there is none yet."""
    return Q(pk=F("scan__prediction_id")) | Q(scan__prediction_id=None)
