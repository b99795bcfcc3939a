"""Asking the model in service again, or for the first time, about many scans at once."""

from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.refusals import WrongState
from cases.models import SETTLED, Scan, ScanQuerySet
from inference.models import Prediction
from inference.queue import enqueue, queue_failed
from inference.service import active_model, hold_model_in_service


@dataclass(frozen=True)
class RerunCounts:
    failed: int
    missing: int


def rerun_predictions(*, scans: ScanQuerySet, failed: bool, missing: bool) -> RerunCounts:
    """Queues what failed, and scans that the model in service has not been asked about. Answers stay."""
    with transaction.atomic():
        hold_model_in_service()
        model = active_model()
        if model is None:
            raise WrongState(_("No model is in service; activate one first."))
        scans = scans.ready().exclude(case__status__in=SETTLED)
        again = queue_failed(Prediction.objects.filter(scan__in=scans)) if failed else 0
        asked = Prediction.objects.shown().filter(model_version=model).values("scan")
        never = scans.exclude(pk__in=asked).select_related("case").order_by("uploaded_at", "pk")
        new = enqueue(list(never), model=model) if missing else 0
    return RerunCounts(failed=again, missing=new)


def scans_of(*, case_id: int | None = None, site_slug: str | None = None) -> ScanQuerySet:
    scans: ScanQuerySet = Scan.objects.all()
    if case_id is not None:
        scans = scans.filter(case=case_id)
    if site_slug is not None:
        scans = scans.filter(case__patient__site__slug=site_slug)
    return scans
