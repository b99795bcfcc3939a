"""How the models in service do: for a time and the sites that the user manages."""

from collections.abc import Mapping
from datetime import date

from django.conf import settings

from accounts.models import Site, User
from inference.models import ModelVersion
from monitoring.acceptance.watch import watch_accepted_points
from monitoring.agreement import reader_agreement
from monitoring.alarms import alarms_of
from monitoring.counting import MISSED, Counted, count
from monitoring.drift import drift_of
from monitoring.period import period_of
from monitoring.results import MissedScan, ModelFigures, Monitoring
from monitoring.scope import Population, sites_watched

MOST_MISSED = 1000


def monitor(user: User, *, site: Site | None, start: date, end: date) -> Monitoring:
    """Raises PermissionDenied for a user who manages no such site, WrongState for a time that is none."""
    sites = sites_watched(user, site)
    period = period_of(user, start, end)
    population = Population(user, sites, period)
    total, by_model = count(population)
    models = _models(population, by_model)
    readers = reader_agreement(population.reviews, least=settings.MONITOR_LEAST_REVIEWS)
    return Monitoring(
        sites=[str(each) for each in population.sites],
        start=start,
        end=end,
        timezone=period.zone.key,
        step=period.step,
        total=total.counts,
        series=total.series,
        models=models,
        missed=_missed(population),
        missed_count=sum(figures.counts.missed for figures in models),
        readers=readers,
        alarms=alarms_of(models, readers, total.counts, watch_accepted_points(population)),
        hidden_scans=population.left_out(),
        notes=[figures.drift.note for figures in models if figures.drift.note],
    )


def _models(population: Population, by_model: Mapping[int, Counted]) -> list[ModelFigures]:
    """Returns the models, the newest in service first."""
    models = ModelVersion.objects.filter(pk__in=by_model).order_by("-activated_at", "-pk")
    return [
        ModelFigures(
            model_id=model.pk,
            name=str(model),
            status=model.status,
            counts=by_model[model.pk].counts,
            series=by_model[model.pk].series,
            drift=drift_of(model, population.predictions, done=by_model[model.pk].counts.done),
        )
        for model in models
    ]


def _missed(population: Population) -> list[MissedScan]:
    rows = (
        population.predictions.filter(MISSED)
        .select_related("model_version", "scan__case__patient__site")
        .order_by("-queued_at", "-pk")[:MOST_MISSED]
    )
    return [
        MissedScan(
            scan_id=row.scan_id,
            case_id=row.scan.case_id,
            site=str(row.site),
            model_id=row.model_version_id,
            model=str(row.model_version),
            prediction_id=row.pk,
            probability=row.probability,
            asked_at=row.queued_at,
        )
        for row in rows
    ]
