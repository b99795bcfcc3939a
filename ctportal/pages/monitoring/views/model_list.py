"""Which models there are, for everyone who works with their answers; each has a page with its card."""

from django.contrib.auth.decorators import login_required
from django.db.models import Case, Value, When
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from ctportal.pages.shared.requests import PersonRequest
from inference.models import ModelStatus, ModelVersion
from monitoring.card.figures import figure_lines

MODELS_SHOWN = 50
IN_SERVICE_FIRST = Case(When(status=ModelStatus.ACTIVE, then=Value(0)), default=Value(1))


@login_required
@require_GET
def list_models(request: PersonRequest) -> HttpResponse:
    models = ModelVersion.objects.select_related("parent").order_by(IN_SERVICE_FIRST, "-registered_at")[:MODELS_SHOWN]
    entries = [{"model": model, "figure": next(iter(figure_lines(model.metrics)), None)} for model in models]
    return render(request, "models/models.html", {"entries": entries})
