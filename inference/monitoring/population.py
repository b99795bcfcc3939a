"""Which answers and reviews are counted: those of models in service, on ready scans, that the user may know."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from django.core.exceptions import PermissionDenied
from django.db.models import F, Min, Q

from cases.models import Review, ReviewQuerySet, ScanQuerySet, ScanStatus
from cases.reviews import hidden_scans
from ctportal.accounts.models import Site, User
from ctportal.accounts.rights import REFUSALS, Right, require, sites_with
from inference.models import ModelStatus, ModelVersion, Prediction, PredictionQuerySet
from inference.monitoring.period import Period

SERVED = (ModelStatus.ACTIVE, ModelStatus.RETIRED)


@dataclass(frozen=True)
class Population:
    """One user's view of some sites in a time."""

    user: User
    sites: Sequence[Site]
    period: Period

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
        return Prediction.objects.filter(
            _in_service(),
            scan__status=ScanStatus.READY,
            scan__case__patient__site__in=self.sites,
            queued_at__gte=self.period.begins_at,
            queued_at__lt=self.period.ends_before,
        ).order_by()

    @cached_property
    def reviews(self) -> ReviewQuerySet:
        """What each reader holds now of the scans that came in the time."""
        rows = (
            Review.objects.current()
            .filter(
                scan__status=ScanStatus.READY,
                scan__case__patient__site__in=self.sites,
                scan__uploaded_at__gte=self.period.begins_at,
                scan__uploaded_at__lt=self.period.ends_before,
            )
            .order_by()
        )
        return rows if self.hidden is None else rows.exclude(scan__in=self.hidden.values("pk"))


def population_of(user: User, site: Site | None, period: Period) -> Population:
    """Raises PermissionDenied for who does not manage the site, or none at all."""
    if site is not None:
        require(user, site, Right.MANAGE)
        return Population(user, [site], period)
    managed = list(sites_with(user, Right.MANAGE))
    if not managed and not user.is_superuser:
        raise PermissionDenied(REFUSALS[Right.MANAGE])
    return Population(user, managed, period)


def standing() -> Q:
    """Of a scan read by several models, the answer that people see; an attempt where there is none yet."""
    return Q(pk=F("scan__prediction_id")) | Q(scan__prediction_id=None)


def _in_service() -> Q:
    """A candidate answers silently, and does so only before it first enters service."""
    counted = Q(pk__in=[])
    for model in ModelVersion.objects.filter(status__in=SERVED).annotate(first=Min("service_periods__started_at")):
        of_model = Q(model_version=model)
        if model.first is not None:
            spoke = Q(finished_at=None) | Q(finished_at__gte=model.first) | Q(pk=F("scan__prediction_id"))
            of_model &= spoke
        counted |= of_model
    return counted
