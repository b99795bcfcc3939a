"""One model: its card, when it was in service, where it comes from and what was trained from it."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from ctportal.pages.shared.requests import PersonRequest
from inference.models import ModelVersion
from monitoring.card.model_card import as_markdown, model_card
from monitoring.lineage.queries import lineage_of_model


@login_required
@require_GET
def show_model(request: PersonRequest, pk: int) -> HttpResponse:
    model = get_object_or_404(ModelVersion, pk=pk)
    context = {
        "model": model,
        "card": model_card(model, request.user),
        "lineage": lineage_of_model(model, request.user),
    }
    return render(request, "models/model.html", context)


@login_required
@require_GET
def download_card(request: PersonRequest, pk: int) -> HttpResponse:
    model = get_object_or_404(ModelVersion, pk=pk)
    response = HttpResponse(as_markdown(model_card(model, request.user)), content_type="text/markdown; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="model-card-{model.pk}.md"'
    response["Cache-Control"] = "private, no-store"
    return response
