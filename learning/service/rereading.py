"""Has open cases read again by the model in service. What was said of them before stays, and stays visible."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from accounts.events import record_event
from accounts.models import Action, Site, User
from accounts.refusals import WrongState
from accounts.rights import REFUSALS, Right, sites_with
from cases.casework import lock_case
from cases.models import SETTLED, Scan, ScanQuerySet
from cases.summaries import record_answer, record_label_value
from inference.label_value import label_value_of
from inference.models import ModelVersion, Prediction, PredictionStatus, Urgency
from inference.queue import enqueue
from inference.service import active_model, hold_model_in_service
from inference.site_points import sites_hiding_answers


@dataclass(frozen=True)
class SiteOffer:
    site: Site
    scans: int
    cases: int


@dataclass(frozen=True)
class RereadOffer:
    """Scans of open cases whose answer is another model's than the one in service."""

    model: ModelVersion | None
    scans: int = 0
    cases: int = 0
    known: int = 0  # of them, those that the model has answered already: nothing is computed for them
    sites: tuple[SiteOffer, ...] = ()


def offer_rereading(user: User) -> RereadOffer:
    """Of all sites that the user manages; says nothing to others."""
    model = active_model()
    if model is None:
        return RereadOffer(None)
    scans = _to_reread(model, sites_with(user, Right.MANAGE).exclude(pk__in=sites_hiding_answers(model)))
    rows = scans.order_by().values("case__patient__site").annotate(n=Count("pk"), cases=Count("case", distinct=True))
    sites = Site.objects.in_bulk([row["case__patient__site"] for row in rows])
    offers = [SiteOffer(sites[row["case__patient__site"]], row["n"], row["cases"]) for row in rows]
    return RereadOffer(
        model=model,
        scans=sum(offer.scans for offer in offers),
        cases=sum(offer.cases for offer in offers),
        known=scans.filter(_answered_by(model)).count(),
        sites=tuple(sorted(offers, key=lambda offer: offer.site.name)),
    )


def request_rereading(*, user: User, sites: Sequence[Site] | None = None) -> int:
    """Queues the open cases of the sites (all that the user manages) behind everything that people wait for.

    What the model has said of a scan already, as a shadow or before a rollback, becomes the answer at once. Sites that
    keep the model's answers back until they have accepted it are left out, and refused where they are named.
    Returns how many scans are concerned; asked again, none.
    """
    mine = sites_with(user, Right.MANAGE)
    chosen = mine if sites is None else mine.filter(pk__in=[site.pk for site in sites])
    if not chosen.exists() or (sites is not None and chosen.count() < len({site.pk for site in sites})):
        raise PermissionDenied(REFUSALS[Right.MANAGE])
    model = active_model()
    if model is None:
        raise WrongState(_("No model is in service, so none can read again; promote or activate one first."))
    hiding = sites_hiding_answers(model)
    if sites is not None and (waiting := chosen.filter(pk__in=hiding).first()) is not None:
        raise WrongState(
            _("%(site)s keeps the answers of model %(model)s back until it has accepted it; accept it first.")
            % {"site": waiting, "model": model}
        )
    chosen = chosen.exclude(pk__in=hiding)
    # Cases are locked before the model in service is held, never after: an upload does the same.
    stored = _to_reread(model, chosen).filter(_answered_by(model)).select_related("case__patient__site")
    known = [scan for scan in stored.order_by("case_id", "pk") if _bring_back(model, scan)]
    with transaction.atomic():
        hold_model_in_service()
        if active_model() != model:
            raise WrongState(
                _("Model %(model)s has left service meanwhile; look again, then decide.") % {"model": model}
            )
        unknown = _to_reread(model, chosen).exclude(_answered_by(model)).select_related("case__patient__site")
        asked = list(unknown.order_by("uploaded_at", "pk"))
        enqueue(asked, model=model, urgency=Urgency.REREADING)
        for site, count in _by_site([*known, *asked]):
            record_event(Action.REREAD_REQUESTED, actor=user, site=site, subject=model, scans=count)
    return len(known) + len(asked)


def _to_reread(model: ModelVersion, sites: QuerySet[Site]) -> ScanQuerySet:
    """Open cases' scans that another model has answered, and that this one is not about to read or has failed on."""
    own = Prediction.objects.shown().filter(scan=OuterRef("pk"), model_version=model)
    others = Prediction.objects.filter(pk=OuterRef("prediction_id")).exclude(model_version=model)
    return (
        Scan.objects.ready()
        .filter(Exists(others), case__patient__site__in=sites)
        .exclude(case__status__in=SETTLED)
        .filter(~Exists(own.exclude(status=PredictionStatus.DONE)))
    )


def _answered_by(model: ModelVersion) -> Q:
    return Q(Exists(Prediction.objects.filter(scan=OuterRef("pk"), model_version=model, status=PredictionStatus.DONE)))


def _bring_back(model: ModelVersion, scan: Scan) -> bool:
    """Makes the stored answer current, unless the case was closed or the model has left service meanwhile."""
    with transaction.atomic():
        case = lock_case(scan.case_id)
        stored = Prediction.objects.select_for_update(of=("self",)).get(scan=scan, model_version=model)
        if case.is_settled or not stored.is_done or active_model() != model:
            return False
        if stored.is_shadow:
            Prediction.objects.filter(pk=stored.pk).update(urgency=Urgency.REREADING)
        record_answer(
            scan_id=scan.pk,
            prediction_id=stored.pk,
            decision=str(stored.decision),
            probability=stored.probability,
        )
        record_label_value(scan_id=scan.pk, label_value=label_value_of(scan.pk))
    return True


def _by_site(scans: Sequence[Scan]) -> Iterator[tuple[Site, int]]:
    sites = {scan.site.pk: scan.site for scan in scans}
    for pk, site in sorted(sites.items()):
        yield site, sum(scan.site.pk == pk for scan in scans)
