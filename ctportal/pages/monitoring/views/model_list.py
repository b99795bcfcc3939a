"""Which models there are, for everyone who works with their answers; each has a page with its card."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Case, Q, Value, When
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.models import User
from ctportal.pages.learning.figures import figure_columns
from ctportal.pages.shared.requests import PersonRequest
from inference.models import ModelStatus, ModelVersion
from learning.comparison.comparison_figures import read_figures
from learning.models import Comparison
from monitoring.card.figures import figure_lines

MODELS_SHOWN, COMPARISONS_SHOWN = 50, 10
IN_SERVICE_FIRST = Case(When(status=ModelStatus.ACTIVE, then=Value(0)), default=Value(1))


@login_required
@require_GET
def list_models(request: PersonRequest) -> HttpResponse:
    models = ModelVersion.objects.select_related("parent").order_by(IN_SERVICE_FIRST, "-registered_at")[:MODELS_SHOWN]
    entries = [{"model": model, "figure": next(iter(figure_lines(model.metrics)), None)} for model in models]
    serving = next((model for model in models if model.is_active), None)
    return render(request, "models/models.html", {"entries": entries, "compared": _compared(request.user, serving)})


def _compared(user: User, serving: ModelVersion | None) -> list[dict[str, Any]]:
    """The model in service beside others, each pair on the same patients; for those who may see the data set."""
    comparisons = Comparison.objects.visible_to(user).select_related("champion", "challenger", "dataset")
    mine = comparisons.filter(Q(champion=serving) | Q(challenger=serving))[:COMPARISONS_SHOWN] if serving else ()
    return [{"comparison": one, "figures": read_figures(one.figures), "sides": figure_columns(one)} for one in mine]
