"""How the models do in service: the page, and each of its tables for a spreadsheet."""

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from accounts.models import User
from accounts.refusals import WrongState
from accounts.rights import Right, require_somewhere
from ctportal.pages.monitoring.alarm_groups import grouped_alarms
from ctportal.pages.monitoring.charts import chart_by_model, charts_over_time, histogram
from ctportal.pages.monitoring.forms import LENGTHS, PeriodForm
from ctportal.pages.shared.requests import PersonRequest
from inference.models import ModelStatus
from monitoring.figures import monitor
from monitoring.results import ModelFigures, Monitoring, ShiftState
from monitoring.tables import as_csv, tables

WORST_FIRST = [
    ShiftState.SHIFTED,
    ShiftState.SHIFTING,
    ShiftState.STABLE,
    ShiftState.TOO_FEW,
    ShiftState.NO_REFERENCE,
]


@login_required
@require_GET
def show_monitoring(request: PersonRequest) -> HttpResponse:
    require_somewhere(request.user, Right.MANAGE)
    form = PeriodForm(request.GET, user=request.user)
    context: dict[str, Any] = {"form": form, "lengths": LENGTHS, "period": form.period()}
    try:
        found = _figures(request.user, form)
    except WrongState as error:
        form.add_error(None, str(error))
    else:
        context |= _told(found)
    return render(request, "monitoring/monitoring.html", context)


@login_required
@require_GET
def download_table(request: PersonRequest, name: str) -> HttpResponse:
    require_somewhere(request.user, Right.MANAGE)
    form = PeriodForm(request.GET, user=request.user)
    table = tables(_figures(request.user, form)).get(name)
    if table is None:
        raise Http404(_("There is no such table."))
    start, end = form.period()
    response = HttpResponse(as_csv(table), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="monitoring-{table.name}-{start}-{end}.csv"'
    response["Cache-Control"] = "private, no-store"
    return response


def _figures(user: User, form: PeriodForm) -> Monitoring:
    start, end = form.period()
    return monitor(user, site=form.chosen_site, start=start, end=end)


def _told(found: Monitoring) -> dict[str, Any]:
    drifts = [_drift(model) for model in found.models]
    return {
        "found": found,
        "alarms": grouped_alarms(found.alarms),
        "psi_notice": settings.MONITOR_PSI_NOTICE,
        "psi_alarm": settings.MONITOR_PSI_ALARM,
        "charts": charts_over_time(found),
        "by_model": chart_by_model(found.models),
        "drifts": drifts,
        "has_bins": any(drift["has_charts"] for drift in drifts),
    }


def _drift(model: ModelFigures) -> dict[str, Any]:
    shifts = [(shift, histogram(shift, key=f"shift-{model.model_id}-{shift.name}")) for shift in model.drift.shifts]
    return {
        "model": model,
        "is_open": model.status == ModelStatus.ACTIVE,
        "shifts": shifts,
        "has_charts": any(chart for _, chart in shifts),
        "has_reference": any(shift.state != ShiftState.NO_REFERENCE for shift, _ in shifts),
        "worst": min((shift.state for shift, _ in shifts), key=WORST_FIRST.index),
    }
