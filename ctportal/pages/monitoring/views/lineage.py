"""Where an answer comes from, where a scan was used, and who labelled a data set."""

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from accounts.rights import fetch
from cases.models import Scan
from cases.reading import note_view
from ctportal.pages.shared.requests import PersonRequest
from inference.models import Prediction
from learning.models import Dataset
from monitoring.lineage.queries import lineage_of_dataset, lineage_of_prediction, lineage_of_scan

ROWS = 50


@login_required
@require_GET
def show_prediction(request: PersonRequest, pk: int) -> HttpResponse:
    predictions = Prediction.objects.select_related("scan__case__patient__site", "model_version")
    prediction = fetch(predictions, user=request.user, pk=pk)
    found = lineage_of_prediction(prediction, request.user)
    note_view(prediction.scan.case, request.user)
    return render(request, "lineage/prediction.html", {"found": found})


@login_required
@require_GET
def show_scan(request: PersonRequest, pk: int) -> HttpResponse:
    scan = fetch(Scan.objects.select_related("case__patient__site"), user=request.user, pk=pk)
    note_view(scan.case, request.user)
    return render(request, "lineage/scan.html", {"found": lineage_of_scan(scan, request.user)})


@login_required
@require_GET
def show_dataset(request: PersonRequest, pk: int) -> HttpResponse:
    dataset = get_object_or_404(Dataset.objects.visible_to(request.user), pk=pk)
    found = lineage_of_dataset(dataset, request.user)
    page = Paginator(found.scans, ROWS).get_page(request.GET.get("page"))
    return render(request, "lineage/dataset.html", {"found": found, "page": page})
